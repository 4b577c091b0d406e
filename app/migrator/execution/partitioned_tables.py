"""Run what a partitioned table refuses on its partitions, so that it can be changed like any other table.

- CREATE INDEX CONCURRENTLY: the index of the table alone, which is invalid and which new partitions get; then that of
  each partition, CONCURRENTLY, which is attached. With the last one it is valid. What is there is left out: a run goes
  on where an earlier one has stopped.
- ADD CONSTRAINT … FOREIGN KEY … NOT VALID, before PostgreSQL 18: on each partition.
- VALIDATE CONSTRAINT of such a key: on each partition, and then the key of the table, which finds that it holds and
  reads no row. DROP CONSTRAINT: on each partition.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, text

from ..partitions.tables import name_on_partition
from ..sql.quoting import quote
from .statement_patterns import END, NAME, QUALIFIED, pattern

_EXISTS = text("SELECT to_regclass(:index) IS NOT NULL")
_IS_PARTITIONED = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:table)")
_WANTED = name_on_partition("whole.relname", "parent.relname", "part.relname")
# The partitions without an attached index, each with the one of the name that it is to have.
LEFT = text(
    f"""
    SELECT part.oid::regclass::text AS name, part.relkind = 'p' AS is_partitioned, {_WANTED} AS wanted,
           quote_ident(nspname) AS schema, coalesce(own.indisvalid, false) AS is_built,
           (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conindid = whole.oid AND contype IN ('p', 'u'))
               AS constraint_of_table,
           EXISTS (SELECT FROM pg_constraint WHERE conindid = own.indexrelid AND contype IN ('p', 'u'))
               AS is_constrained
    FROM pg_class AS whole
    JOIN pg_index ON indexrelid = whole.oid
    JOIN pg_class AS parent ON parent.oid = indrelid
    JOIN pg_inherits ON inhparent = indrelid
    JOIN pg_class AS part ON part.oid = inhrelid AND part.relkind IN ('r', 'p')
    JOIN pg_namespace ON pg_namespace.oid = part.relnamespace
    LEFT JOIN pg_class AS made ON made.relnamespace = part.relnamespace AND made.relname = {_WANTED}
    LEFT JOIN pg_index AS own ON own.indexrelid = made.oid AND own.indrelid = part.oid
    WHERE whole.oid = to_regclass(:index) AND NOT EXISTS (
        SELECT FROM pg_inherits AS attached JOIN pg_index AS of_part ON of_part.indexrelid = attached.inhrelid
        WHERE attached.inhparent = whole.oid AND of_part.indrelid = part.oid
    )
    ORDER BY part.relname
    """  # noqa: S608 - constants
)
_TABLE = rf"ALTER TABLE (?:IF EXISTS )?(?P<table>{QUALIFIED})"
_ADD_KEY = pattern(rf"{_TABLE} ADD CONSTRAINT (?P<name>{NAME}) FOREIGN KEY\b.*\bNOT VALID{END}")
_OTHER = pattern(rf"{_TABLE} (?P<verb>VALIDATE|DROP) CONSTRAINT (?P<name>{NAME}){END}")
# The partitions with rows of a table that itself cannot have the key yet, each with the key if it has it.
KEYS = text(
    """
    SELECT leaf.relid::regclass::text AS name, pg_get_constraintdef(own.oid) AS definition
    FROM pg_class AS whole
    CROSS JOIN LATERAL pg_partition_tree(whole.oid) AS leaf
    LEFT JOIN pg_constraint AS own
        ON own.conrelid = leaf.relid AND own.contype = 'f' AND own.conname = (parse_ident(:name))[1]
    WHERE whole.oid = to_regclass(:table) AND whole.relkind = 'p' AND leaf.isleaf
        AND current_setting('server_version_num')::integer < 180000
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = whole.oid AND conname = (parse_ident(:name))[1])
    ORDER BY leaf.relid::regclass::text
    """
)


@dataclass(frozen=True)
class PartitionedIndex:
    """An index of a partitioned table; its fields are as CREATE INDEX has them, `behind` is what follows the table."""

    name: str
    table: str
    unique: str
    behind: str

    @property
    def create(self) -> str:
        """The statement that makes it without those of the partitions."""
        # The name behind a dot, which may stand in quotes itself.
        (name,) = re.findall(rf"({NAME})\s*$", self.name)
        return f"CREATE {self.unique}INDEX {name} ON ONLY {self.table}{self.behind}"

    def build(self, connection: Connection, run: Callable[[str], None], record: Callable[[str], None]) -> None:
        """Build what is missing of it, and attach it.

        `run` runs a short statement, and the connection others; `record` is given the name of an index before that.
        """
        if not connection.scalar(_EXISTS, {"index": self.name}):
            record(self.name)
            run(self.create)
        for part in connection.execute(LEFT, {"index": self.name}).all():
            own = replace(self, name=f"{part.schema}.{quote(part.wanted)}", table=part.name)
            if part.is_partitioned:
                if part.constraint_of_table and not part.is_constrained:
                    run(f"ALTER TABLE ONLY {own.table} ADD CONSTRAINT {quote(part.wanted)} {part.constraint_of_table}")
                own.build(connection, run, record)
            else:
                own._build_on_leaf(connection, run, part)  # noqa: SLF001 - of the same class
            run(f"ALTER INDEX {self.name} ATTACH PARTITION {own.name}")

    def _build_on_leaf(self, connection: Connection, run: Callable[[str], None], part: Row[Any]) -> None:
        name = quote(part.wanted)
        if not part.is_built:
            connection.exec_driver_sql(f"CREATE {self.unique}INDEX CONCURRENTLY {name} ON {self.table}{self.behind}")
        if part.constraint_of_table and not part.is_constrained:
            kind = "PRIMARY KEY" if part.constraint_of_table.startswith("PRIMARY") else "UNIQUE"
            run(f"ALTER TABLE {self.table} ADD CONSTRAINT {name} {kind} USING INDEX {name}")


def is_partitioned(connection: Connection, table: str) -> bool:
    """Return whether it is a partitioned table; `table` is its name as SQL writes it."""
    return bool(connection.scalar(_IS_PARTITIONED, {"table": table}))


def match_key(statement: str) -> re.Match[str] | None:
    """Return the statement's `table` and `name`, and its `verb` unless it adds a foreign key that is NOT VALID."""
    return _ADD_KEY.match(statement) or _OTHER.match(statement)


def on_partitions(connection: Connection, statement: str) -> list[str]:
    """Return what does on this server what the statement says of a foreign key; nothing if it does so itself."""
    key = match_key(statement)
    parts = connection.execute(KEYS, {"table": key["table"], "name": key["name"]}).all() if key else []
    if not key or not parts:
        return []
    verb = key.groupdict().get("verb")
    found = [part for part in parts if part.definition or verb is None]
    begin, end = key.span("table")
    statements = [f"{statement[:begin]}{part.name}{statement[end:]}" for part in found]
    if found and verb and verb.upper() == "VALIDATE":
        definition = found[0].definition.removesuffix(" NOT VALID")
        statements.append(f"ALTER TABLE {key['table']} ADD CONSTRAINT {key['name']} {definition}")
    return statements
