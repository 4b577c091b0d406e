"""The rule about partitioned tables, which refuse much of what is safe elsewhere."""

from collections.abc import Iterator

from ..sql.alter_table import AddedConstraint, added_constraints
from ..sql.indexes import IndexBuild, dropped_concurrently, index_build
from ..sql.tokens import Statement
from .finding import Hit
from .known_schema import KnownSchema, ParsedRevision

_INDEX = (
    "CREATE INDEX … ON ONLY the partitioned table, then for each partition CREATE INDEX CONCURRENTLY, in a revision of"
    " its own, and ALTER INDEX … ATTACH PARTITION. New partitions get it by themselves."
)
_UNIQUE = (
    "ALTER TABLE ONLY the partitioned table ADD CONSTRAINT …; for each partition CREATE UNIQUE INDEX CONCURRENTLY, ADD"
    " CONSTRAINT … USING INDEX, and ALTER INDEX … ATTACH PARTITION."
)
_FOREIGN_KEY = (
    "Add it to each partition NOT VALID, VALIDATE CONSTRAINT in the next revisions, and then to the partitioned table,"
    " which finds that it holds and reads no row, with lint_ignore saying so."
)
# What squawk says of these is refused there, or is said here.
OVERRULED_INDEX = frozenset({"require-concurrent-index-creation", "ban-concurrent-index-creation-in-transaction"})
OVERRULED_CONSTRAINT = frozenset(
    {"adding-foreign-key-constraint", "constraint-missing-not-valid", "disallowed-unique-constraint"}
)


def partitioned_table(revision: ParsedRevision) -> Iterator[Hit]:
    for statement, before in zip(revision.statements, revision.before, strict=True):
        index = index_build(statement)
        if index and is_partitioned(index.table, before):
            yield from _index_hit(statement, index)
        for name in dropped_concurrently(statement):
            if is_partitioned(before.table_of_index(name), before):
                yield Hit(
                    statement,
                    f"the index {name} is of a partitioned table, where the server refuses to drop it CONCURRENTLY",
                    "DROP INDEX, which takes a moment.",
                )
        for constraint in added_constraints(statement):
            if is_partitioned(constraint.table, before):
                yield from _constraint_hit(statement, constraint)


def is_partitioned(table: str | None, before: KnownSchema) -> bool:
    """Return whether it is a partitioned table that an earlier revision has made."""
    return (table,) in before.partitioned and (table,) not in before.tables


def _index_hit(statement: Statement, index: IndexBuild) -> Iterator[Hit]:
    if index.is_concurrent:
        yield Hit(statement, f"{index.table} is partitioned, where the server refuses CONCURRENTLY", _INDEX)
    elif not index.only:
        yield Hit(
            statement,
            f"{index.table} is partitioned: its writes stop until the index of every partition is built",
            _INDEX,
        )


def _constraint_hit(statement: Statement, constraint: AddedConstraint) -> Iterator[Hit]:
    table = f"{constraint.table} is partitioned"
    if constraint.kind in {"PRIMARY", "UNIQUE"} and constraint.uses_index:
        yield Hit(statement, f"{table}, where the server refuses USING INDEX", _UNIQUE)
    elif constraint.kind in {"PRIMARY", "UNIQUE"} and not constraint.only:
        why = "its reads and writes stop until the index of every partition is built"
        yield Hit(statement, f"{table}: {why}", _UNIQUE)
    elif constraint.kind == "FOREIGN" and constraint.is_not_valid:
        yield Hit(statement, f"{table}, where a server before PostgreSQL 18 refuses NOT VALID", _FOREIGN_KEY)
    elif constraint.kind == "FOREIGN" and constraint.is_enforced:
        yield Hit(statement, f"{table}: its writes stop until every row of every partition is read", _FOREIGN_KEY)
