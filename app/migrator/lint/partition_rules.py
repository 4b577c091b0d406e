"""The rule about partitioned tables: some of what is safe elsewhere the server refuses, or does on each partition."""

from collections.abc import Iterator

from ..sql.alter_table import AddedConstraint, added_constraints
from ..sql.indexes import IndexBuild, dropped_concurrently, index_build
from ..sql.tokens import Statement
from .finding import Hit
from .known_schema import KnownSchema, ParsedRevision

_INDEX = (
    "CREATE INDEX CONCURRENTLY, in an autocommit block: the upgrade makes it ON ONLY the partitioned table, builds that"
    " of each partition CONCURRENTLY, and attaches them. New partitions get it by themselves."
)
_UNIQUE = (
    "ALTER TABLE ONLY the partitioned table ADD CONSTRAINT …; in the next revision CREATE UNIQUE INDEX CONCURRENTLY IF"
    " NOT EXISTS under its name, by which the upgrade builds that of each partition, and attaches them."
)
_FOREIGN_KEY = (
    "ADD CONSTRAINT … NOT VALID, and VALIDATE CONSTRAINT in the next revision. Before PostgreSQL 18 the upgrade does"
    " both on each partition, and then adds it to the table, which reads no row."
)
# What squawk says of these is refused there, or is said here.
OVERRULED_INDEX = frozenset({"require-concurrent-index-creation"})
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
    if index.is_concurrent and index.only:
        yield Hit(statement, f"{index.table} is partitioned, where the server refuses CONCURRENTLY ON ONLY it", _INDEX)
    elif not index.is_concurrent and not index.only:
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
    elif constraint.kind == "FOREIGN" and constraint.is_enforced and not constraint.is_not_valid:
        yield Hit(statement, f"{table}: its writes stop until every row of every partition is read", _FOREIGN_KEY)
