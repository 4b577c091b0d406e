"""Which statements of a revision read or write all rows of a table in use, and whether its traffic waits meanwhile."""

from collections.abc import Iterator

from ..lint.known_schema import Change, ParsedRevision
from ..lint.lock_rules import Locking, lockings
from ..sql.effect import Kind
from ..sql.indexes import index_build

_READ, _WRITTEN = "every row of {} is read", "{} is written anew"
_BESIDE = ", beside its traffic"
_WORK = {
    Kind.REWRITE: _WRITTEN,
    Kind.CHANGE_TYPE: "{} may be written anew",
    Kind.ATTACH_PARTITION: _READ,
    Kind.CREATE_PARTITION: "the default partition of {}, if there is one, is read",
    Kind.UPDATE: "rows of {} are written in one transaction",
    Kind.DELETE: "rows of {} are deleted in one transaction",
    Kind.VALIDATE: _READ,
    Kind.ADD_INDEX: _READ,
    Kind.ADD_UNIQUE_INDEX: _READ,
    Kind.SET_NOT_NULL: _READ,
}


def row_work(revision: ParsedRevision) -> tuple[str, ...]:
    """Return the work on rows in words, each table's once, in the order of the statements."""
    return tuple(dict.fromkeys(work for locking in lockings(revision) for work in _of_statement(locking)))


def _of_statement(locking: Locking) -> Iterator[str]:
    build = index_build(locking.statement)
    adds = {change.effect.column for change in locking.changes if change.effect.kind is Kind.ADD_COLUMN}
    for change in locking.changes:
        effect = change.effect
        is_rewrite = effect.kind is Kind.REWRITE
        if effect.kind not in _WORK or change.is_of_new_table or (effect.column in adds and not is_rewrite):
            continue
        if (build and build.only) or _holds_already(change) or (effect.table,) in change.before.others:
            continue
        table = effect.table
        beside = table not in {*locking.held, *locking.locked} and effect.kind in {
            Kind.VALIDATE,
            Kind.ADD_INDEX,
            Kind.ADD_UNIQUE_INDEX,
        }
        yield _WORK[effect.kind].format(table) + (_BESIDE if beside else "")


def _holds_already(change: Change) -> bool:
    effect = change.effect
    return effect.kind is Kind.SET_NOT_NULL and change.before.holds_no_null(effect.table, effect.column)
