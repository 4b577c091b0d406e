"""What pending revisions would do in a database: its tables that they lock, read and write, and for whom that waits."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..backfill.status import BackfillState
from ..execution.data_loss import Loss
from ..lint.known_schema import Change, ParsedRevision
from ..phase import Phase
from ..sql.effect import Kind
from ..sql.lock_modes import LockMode
from ..sql.query_tables import row_changes
from ..sql.relations import Relations
from ..sql.relations_after import relations_after
from ..sql.statement_locks import locks_of
from ..sql.tokens import Statement
from ..units import Bytes, EstimatedRows, Rows
from .catalogue import Catalogue
from .row_work import Work, row_work

_NOT_READABLE = "its SQL: it looks at the database, or fails without one"
_TRANSACTION_WORDS = frozenset({"BEGIN", "COMMIT"})


@dataclass(frozen=True)
class TableEffect:
    """What a revision does to a table, a view or a sequence that it does not make itself.

    `lock` is the strongest lock that it takes, and `stops` what waits meanwhile: reads and writes, or writes (None:
    neither). `rows` and `bytes`, with the indexes, are what the server has last noted; None where it has noted nothing.
    `partitions` counts the partitions and inheritors that it locks in the same way. `work` is what it does with all
    rows. With `exists` false an earlier pending revision makes it.
    """

    table: str
    lock: LockMode
    stops: str | None
    rows: EstimatedRows | None
    bytes: Bytes | None
    partitions: int
    work: tuple[Work, ...]
    exists: bool


@dataclass(frozen=True)
class RequiredBackfill:
    """A backfill that a pending revision requires; the rows are None before it has begun."""

    name: str
    state: BackfillState
    rows_seen: Rows | None
    total: Rows | None


@dataclass(frozen=True)
class RevisionEffects:
    """What one pending revision does. `sql` are its statements, None where they are not known without a database.

    `runs_outside` says that some of them run outside of a transaction. `unknown` is what may lock and change more.
    """

    revision: str
    message: str
    phase: Phase
    file: str
    sql: tuple[str, ...] | None
    runs_outside: bool
    tables: tuple[TableEffect, ...]
    unknown: tuple[str, ...]
    losses: tuple[Loss, ...] = ()
    backfills: tuple[RequiredBackfill, ...] = ()


def effects_here(pending: Iterable[ParsedRevision], catalogue: Catalogue) -> Iterator[RevisionEffects]:
    """Yield the effects of the pending revisions, the oldest first, in the database of the catalogue."""
    relations = catalogue.relations
    # The names that tables get -> those that they have today.
    today: dict[str, str] = {}
    for revision in pending:
        tables = _Tables(today)
        unknown: list[str] = [] if revision.sql is not None else [_NOT_READABLE]
        for statement, changes in _by_statement(revision):
            tables.add(statement, changes, relations)
            unknown += _unknown(statement, changes, relations)
            relations = relations_after(relations, statement, (change.effect for change in changes))
        yield RevisionEffects(
            revision=revision.script.revision,
            message=(revision.script.doc or "").partition("\n")[0],
            phase=revision.phase,
            file=revision.script.path,
            sql=None if revision.sql is None else tuple(each.text for each in revision.statements),
            runs_outside=any(statement.head in _TRANSACTION_WORDS for statement in revision.statements),
            tables=tuple(tables.effects(catalogue)),
            unknown=tuple(dict.fromkeys(unknown)),
        )


def _by_statement(revision: ParsedRevision) -> Iterator[tuple[Statement, Sequence[Change]]]:
    changes: dict[int, list[Change]] = defaultdict(list)
    for change in revision.changes:
        changes[id(change.statement)].append(change)
    for statement in revision.statements:
        yield statement, changes[id(statement)]


def _unknown(statement: Statement, changes: Iterable[Change], relations: Relations) -> Iterator[str]:
    yield from (f"a block of code ({each.effect.table})" for each in changes if each.effect.kind is Kind.OPAQUE)
    with_triggers = {table for tables in relations.runs.values() for table in tables}
    changed = {table for change in row_changes(statement.words) for table in relations.with_children(change.table)}
    yield from (f"the triggers of {table}" for table in sorted(changed & with_triggers))


class _Tables:
    """Collects what the statements of one revision do to tables, by the names that these have today."""

    def __init__(self, today: dict[str, str]) -> None:
        self._today = today
        self._locks: dict[str, LockMode] = {}
        self._work: dict[str, dict[Work, None]] = defaultdict(dict)
        self._made: set[str] = set()

    def add(self, statement: Statement, changes: Sequence[Change], relations: Relations) -> None:
        for lock in locks_of(statement, relations):
            if lock.table not in self._made and not relations.is_missing(lock.table):
                table = self._today.get(lock.table, lock.table)
                before = self._locks.get(table, lock.mode)
                self._locks[table] = max(before, lock.mode, key=lambda mode: mode.strength)
        for work in row_work(statement, changes, relations):
            if work.table not in self._made:
                self._work[self._today.get(work.table, work.table)][work.work] = None
        for change in changes:
            effect = change.effect
            if effect.kind in {Kind.CREATE_TABLE, Kind.CREATE_OTHER} and not effect.may_exist:
                self._made.add(effect.table)
            elif effect.kind is Kind.RENAME_TABLE:
                self._rename(effect.table, effect.renamed_to or "")

    def _rename(self, old: str, new: str) -> None:
        self._today[new] = self._today.pop(old, old)
        if old in self._made:
            self._made.add(new)

    def effects(self, catalogue: Catalogue) -> Iterator[TableEffect]:
        alike = {table: self._locked_alike(table, catalogue.relations) for table in self._locks}
        folded = {part for parts in alike.values() for part in parts}
        for table, lock in self._locks.items():
            if table in folded:
                continue
            work = dict.fromkeys(each for one in (table, *alike[table]) for each in self._work.get(one, ()))
            size = catalogue.sizes.get(table)
            yield TableEffect(
                table=table,
                lock=lock,
                stops=lock.stops,
                rows=size.rows if size else None,
                bytes=size.bytes if size else None,
                partitions=len(alike[table]),
                work=tuple(work),
                exists=size is not None,
            )

    def _locked_alike(self, table: str, relations: Relations) -> list[str]:
        """Return the table's partitions and inheritors, if all of them are locked in the same mode."""
        parts = [*relations.with_children(table)][1:]
        return parts if all(self._locks.get(part) is self._locks[table] for part in parts) else []
