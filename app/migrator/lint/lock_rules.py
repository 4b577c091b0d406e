"""The rules about what a revision locks, and for how long."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..config import MigratorConfig
from ..sql.effect import Effect, Kind
from ..sql.session_settings import settings_of
from ..sql.statement_locks import is_foreign_key, locked_tables
from ..sql.tokens import Statement
from .finding import Hit
from .known_schema import Change, KnownSchema, ParsedRevision

# Why all traffic of a table waits for more than a moment, and the safe rewrite.
_LONG_LOCKS = {
    Kind.LOCK: (
        "reads or writes of it wait until the revision is over",
        "Leave it out: each statement takes the lock that it needs.",
    ),
    Kind.REWRITE: (
        "all of it is written anew under a lock that stops reads and writes",
        "CONCURRENTLY, where PostgreSQL has that; otherwise do without, or do it by hand while nobody uses it.",
    ),
    Kind.ATTACH_PARTITION: (
        "every row is read under a lock that stops reads and writes, unless a CHECK says that each belongs there",
        "That CHECK NOT VALID in one revision, VALIDATE CONSTRAINT in the next, then this, with lint_ignore saying so.",
    ),
    Kind.CREATE_PARTITION: (
        "reads and writes of it stop for this, and while the rows of its default partition are read",
        "CREATE TABLE … (LIKE … INCLUDING DEFAULTS INCLUDING CONSTRAINTS), then ALTER TABLE … ATTACH PARTITION, beside"
        " which it is read and written.",
    ),
}
_FILLED = (
    "every row gets a value of its own, so that all of it is written anew under a lock that stops reads and writes"
)
_FILL_LATER = (
    "Add the column without it. SET DEFAULT is for new rows (of a sequence: nextval(…)); a backfill gives the old ones"
    " a value. A generated value can be VIRTUAL, or written by the application."
)


def table_locked(revision: ParsedRevision) -> Iterator[Hit]:
    for change in revision.changes_of_old_tables(set(_LONG_LOCKS)):
        effect = change.effect
        # A view that the revision itself has made.
        if (effect.table,) in change.before.others:
            continue
        why, rewrite = (_FILLED, _FILL_LATER) if _fills(effect) else _LONG_LOCKS[effect.kind]
        yield Hit(change.statement, f"{effect}: {why}", rewrite)


def _fills(effect: Effect) -> bool:
    return effect.kind is Kind.REWRITE and effect.column is not None


@dataclass(frozen=True)
class Locking:
    """A statement, its changes, the tables in use that it locks and those that are locked by then."""

    statement: Statement
    changes: tuple[Change, ...]
    locked: tuple[str, ...]
    held: tuple[str, ...]


# Two rules read the same revision one after the other.
@lru_cache(1)
def lockings(revision: ParsedRevision) -> tuple[Locking, ...]:
    changes: dict[int, list[Change]] = defaultdict(list)
    for change in revision.changes:
        changes[id(change.statement)].append(change)
    held: list[str] = []
    found = []
    is_outside = False
    for statement, before in zip(revision.statements, revision.before, strict=True):
        # Outside of a transaction each statement gives its locks back.
        is_outside = statement.head == "COMMIT" or (is_outside and statement.head != "BEGIN")
        if is_outside:
            held = []
        own = tuple(changes[id(statement)])
        locked = tuple(_in_use(statement, own, before))
        found.append(Locking(statement, own, locked, tuple(held)))
        held += [table for table in locked if table not in held]
        new_names = {each.effect.table: each.effect.renamed_to for each in own if each.effect.kind is Kind.RENAME_TABLE}
        held = [new_names.get(table) or table for table in held]
    return tuple(found)


def _in_use(statement: Statement, changes: tuple[Change, ...], before: KnownSchema) -> Iterator[str]:
    """Yield the tables that the statement locks and that earlier revisions have made."""
    rewritten = (change.effect.table for change in changes if change.effect.kind is Kind.REWRITE)
    for table in dict.fromkeys([*locked_tables(statement), *rewritten]):
        if (table,) not in before.tables and (table,) not in before.others:
            yield table


def several_tables_locked(revision: ParsedRevision) -> Iterator[Hit]:
    for each in lockings(revision):
        waits = [table for table in each.locked if table not in each.held]
        first = [*each.held, *each.locked][:1]
        # A foreign key cannot do without both of its tables.
        is_pair = is_foreign_key(each.statement) and len(each.locked) <= 2 and {*each.held} <= {*each.locked[:1]}  # noqa: PLR2004
        if waits and [waits[-1]] != first and not is_pair:
            yield Hit(
                each.statement,
                f"while this waits for {waits[-1]}, {first[0]} is locked already, and its traffic waits, too",
                "A revision for each table. A new table gets one foreign key with it, and each other one NOT VALID in a"
                " revision that follows, with lint_ignore saying that no release writes the table yet.",
            )
            return


def validated_under_lock(revision: ParsedRevision) -> Iterator[Hit]:
    for each in lockings(revision):
        # squawk finds a constraint that is added to a table and holds for its rows at once.
        added = {change.effect.name for change in each.changes if change.effect.kind in _ADDS_CONSTRAINT}
        with_column = any(change.effect.kind is Kind.ADD_COLUMN for change in each.changes)
        locked = [*each.held, *each.locked]
        for change in each.changes:
            if change.effect.kind is not Kind.VALIDATE or not locked:
                continue
            # A new table has rows where the revision fills it, and then is validated for itself.
            is_checked = with_column and not change.is_of_new_table
            if is_checked or change.effect.name not in added:
                yield _validated(change, locked[0], with_column=change.effect.name in added)


_ADDS_CONSTRAINT = {Kind.ADD_CONSTRAINT, Kind.ADD_NOT_NULL_CHECK}


def _validated(change: Change, locked: str, *, with_column: bool) -> Hit:
    table = change.effect.table
    rewrite = "Add the column first, then the CHECK NOT VALID, and VALIDATE CONSTRAINT in the next revision, alone."
    return Hit(
        change.statement,
        f"{change.effect}: while every row of {table} is read, {locked} stays locked, and its traffic waits",
        rewrite
        if with_column
        else "VALIDATE CONSTRAINT in a revision of its own: beside it, tables are read and written.",
    )


_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*")
_SECONDS = {"us": 1e-6, "ms": 1e-3, None: 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86_400}
# The engine's limits by default, in seconds.
_LIMITS = {
    "lock_timeout": MigratorConfig.lock_timeout,
    "statement_timeout": MigratorConfig.statement_timeout,
    "idle_in_transaction_session_timeout": MigratorConfig.statement_timeout,
}


def limit_lifted(revision: ParsedRevision) -> Iterator[Hit]:
    for statement in revision.statements:
        for name, value in settings_of(statement):
            if name == "all" or (name in _LIMITS and not _is_within(value, _LIMITS[name])):
                yield Hit(
                    statement,
                    f"what follows may wait, or work, for longer than the engine lets it ({', '.join(_LIMITS)})",
                    "Leave it out: every revision has limits (DB_MIGRATE_LOCK_TIMEOUT, DB_MIGRATE_STATEMENT_TIMEOUT);"
                    " CONCURRENTLY and VALIDATE CONSTRAINT take as long as they need; other long work is a backfill.",
                )


def _is_within(value: str | None, limit: float) -> bool:
    found = _DURATION.fullmatch(value or "")
    return found is not None and 0 < float(found[1]) * _SECONDS[found[2]] <= limit
