"""Which statements of a revision read or write all rows of a table in use, and whether its traffic waits meanwhile."""

from collections.abc import Iterator

from ..lint.known_schema import ParsedRevision
from ..lint.lock_rules import Locking, lockings
from ..preview.row_work import Work
from ..preview.row_work import row_work as work_of
from ..sql.effect import Kind

_WORDS = {
    Work.READ: "every row of {} is read",
    Work.DEFAULT_READ: "the default partition of {}, if there is one, is read",
    Work.REWRITTEN: "{} is written anew",
    Work.MAY_BE_REWRITTEN: "{} may be written anew",
    Work.UPDATED: "rows of {} are written in one transaction",
    Work.DELETED: "rows of {} are deleted in one transaction",
}
_BESIDE_TRAFFIC = frozenset({Kind.VALIDATE, Kind.ADD_INDEX, Kind.ADD_UNIQUE_INDEX})


def row_work(revision: ParsedRevision) -> tuple[str, ...]:
    """Return the work on rows in words, each table's once, in the order of the statements."""
    return tuple(dict.fromkeys(work for locking in lockings(revision) for work in _of_statement(locking)))


def _of_statement(locking: Locking) -> Iterator[str]:
    waiting = {*locking.held, *locking.locked}
    for work in work_of(locking.statement, locking.changes):
        beside = work.kind in _BESIDE_TRAFFIC and work.table not in waiting
        yield _WORDS[work.work].format(work.table) + (", beside its traffic" if beside else "")
