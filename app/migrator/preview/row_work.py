"""Which statements read or write all rows of a table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from ..lint.known_schema import Change
from ..sql.altered_table import altered_table
from ..sql.cursor import Cursor
from ..sql.effect import Effect, Kind
from ..sql.functions import keywords, opaque_calls
from ..sql.indexes import index_build
from ..sql.relations import NOTHING_KNOWN, Relations
from ..sql.statement_locks import locks_of
from ..sql.tokens import Statement
from ..sql.type_changes import keeps_rows, type_changes


class Work(StrEnum):
    """What is done with rows; of DEFAULT_READ they are those of a table's default partition, if it has one."""

    READ = "read"
    DEFAULT_READ = "default partition read"
    REWRITTEN = "rewritten"
    MAY_BE_REWRITTEN = "perhaps rewritten"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True)
class RowWork:
    """The work on the rows of a table, by the effect that makes it."""

    table: str
    work: Work
    kind: Kind


_WORK = {
    Kind.CHANGE_TYPE: Work.MAY_BE_REWRITTEN,
    Kind.ATTACH_PARTITION: Work.READ,
    Kind.CREATE_PARTITION: Work.DEFAULT_READ,
    Kind.UPDATE: Work.UPDATED,
    Kind.DELETE: Work.DELETED,
    Kind.VALIDATE: Work.READ,
    Kind.ADD_INDEX: Work.READ,
    Kind.ADD_UNIQUE_INDEX: Work.READ,
    Kind.SET_NOT_NULL: Work.READ,
}


# Every table that these lock is read.
_READ_WHAT_THEY_LOCK = (("ALTER", "DOMAIN"), ("REINDEX",))
# A default that is another one for each row is computed for all of them; functions of a project may be so, too.
_VOLATILE = keywords(
    "CLOCK_TIMESTAMP GEN_RANDOM_UUID NEXTVAL RANDOM RANDOM_NORMAL SETVAL TIMEOFDAY UUIDV4 UUIDV7 UUID_GENERATE_V1"
    " UUID_GENERATE_V1MC UUID_GENERATE_V4"
)


def row_work(
    statement: Statement, changes: Iterable[Change], relations: Relations = NOTHING_KNOWN
) -> Iterator[RowWork]:
    """Yield the statement's work on tables that it does not make itself; with `relations`, also on their partitions."""
    changes = list(changes)
    build = index_build(statement)
    if build and build.only:
        return
    if any(Cursor(statement.words).comes(*words) for words in _READ_WHAT_THEY_LOCK):
        yield from (RowWork(lock.table, Work.READ, Kind.VALIDATE) for lock in locks_of(statement, relations))
        return
    added = {change.effect.column for change in changes if change.effect.kind is Kind.ADD_COLUMN}
    for change in changes:
        effect = change.effect
        if _is_known_to_hold(change):
            continue
        if effect.kind is Kind.ADD_COLUMN:
            for work in _of_new_column(statement, effect, relations):
                yield from (RowWork(table, work, effect.kind) for table in _tables(statement, effect, relations))
        elif effect.kind in _WORK and (effect.column not in added or effect.column is None):
            yield from (RowWork(table, work, effect.kind) for table, work in _on_rows(statement, effect, relations))
        elif effect.kind is Kind.REWRITE:
            yield from (RowWork(table, Work.REWRITTEN, effect.kind) for table in _tables(statement, effect, relations))


def _is_known_to_hold(change: Change) -> bool:
    """Return whether there is nothing to do: the table is new, or a valid CHECK says what SET NOT NULL looks for."""
    effect = change.effect
    if change.is_of_new_table or (effect.table,) in change.before.others:
        return True
    return effect.kind is Kind.SET_NOT_NULL and change.before.holds_no_null(effect.table, effect.column)


def _of_new_column(statement: Statement, effect: Effect, relations: Relations) -> Iterator[Work]:
    """Yield what a new column does with the rows; its CHECK and what is generated are effects of their own."""
    action = _addition(statement, effect.column or "")
    words = action.outside_groups()
    default = action.left[words.index("DEFAULT") :] if "DEFAULT" in words else []
    calls = {word.keyword for word, bracket in pairwise(default) if bracket.keyword == "("}
    if calls & _VOLATILE or action.name() in relations.domains:
        yield Work.REWRITTEN
    elif any(True for _ in opaque_calls(default)):
        yield Work.MAY_BE_REWRITTEN
    # Of all the old rows the new column is NULL, unless it has a default.
    reads_for_reference = "REFERENCES" in words and "DEFAULT" in words
    if "UNIQUE" in words or "PRIMARY" in words or reads_for_reference:
        yield Work.READ


def _addition(statement: Statement, column: str) -> Cursor:
    """Return what stands behind the name of the column that the statement adds."""
    altered = altered_table(statement)
    for action in altered.actions.parts() if altered else ():
        if action.skip("ADD"):
            action.skip("COLUMN")
            action.skip_if_exists()
            if action.column() == column:
                return action
    return Cursor(())


def _on_rows(statement: Statement, effect: Effect, relations: Relations) -> Iterator[tuple[str, Work]]:
    work = _WORK[effect.kind]
    if effect.kind is Kind.CREATE_PARTITION and relations.tables is not None:
        yield from ((default, Work.READ) for default in relations.default_of(effect.table))
        return
    if effect.kind is Kind.CHANGE_TYPE and relations.tables is not None:
        work = Work.REWRITTEN
        if _keeps_rows(statement, effect, relations):
            # The index of a partitioned table is made anew.
            if effect.table not in relations.children or effect.table not in relations.indexes.values():
                return
            work = Work.READ
    if effect.kind is Kind.ATTACH_PARTITION:
        altered = altered_table(statement)
        yield from ((default, Work.READ) for default in relations.default_of(altered.name if altered else ""))
    yield from ((table, work) for table in _tables(statement, effect, relations))


def _tables(statement: Statement, effect: Effect, relations: Relations) -> Iterator[str]:
    """Yield the table of the effect, and those that the statement works on with it."""
    altered = altered_table(statement)
    if altered and altered.only:
        yield effect.table
    elif effect.kind in {Kind.ADD_INDEX, Kind.ADD_UNIQUE_INDEX}:
        yield from relations.with_partitions(effect.table)
    else:
        yield from relations.with_children(effect.table)


def _keeps_rows(statement: Statement, effect: Effect, relations: Relations) -> bool:
    changes = {column: (new, is_computed) for column, new, is_computed in type_changes(statement)}
    new, is_computed = changes.get(effect.column or "", ("", True))
    old = relations.types.get((effect.table, effect.column or ""), "")
    return not is_computed and keeps_rows(old, new)
