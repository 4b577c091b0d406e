"""The tables of a database, how large they are, and what hangs together, read from the catalogue.

No table is locked for that, and none is waited for, as functions do that measure a file or show an expression.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from ..sql.names import qualified
from ..sql.relations import ForeignKey, Relations

_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
# The schema that a name need not say is empty.
_SCHEMA = "CASE WHEN {0}.nspname = current_schema() THEN '' ELSE {0}.nspname END"
_TABLES = text(
    f"""
    SELECT {_SCHEMA.format("n")} AS schema, c.relname AS name, c.relkind::text AS kind,
           CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint
               ELSE nullif(pg_stat_get_live_tuples(c.oid), 0) END AS rows,
           CASE WHEN c.reltuples >= 0 OR c.relpages > 0 THEN
               (c.relpages + coalesce(t.relpages, 0) + (
                   SELECT coalesce(sum(own.relpages), 0)
                   FROM pg_index AS x JOIN pg_class AS own ON own.oid = x.indexrelid WHERE x.indrelid = c.oid
               )) * current_setting('block_size')::bigint
           END AS bytes
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {_OURS}
    ORDER BY schema, name
    """  # noqa: S608 - constants
)
_CHILDREN = text(
    f"""
    SELECT {_SCHEMA.format("np")} AS parent_schema, p.relname AS parent, {_SCHEMA.format("n")} AS schema,
           c.relname AS name, c.relispartition AS is_partition,
           coalesce(t.partdefid = c.oid, false) AS is_default
    FROM pg_inherits AS i
    JOIN pg_class AS p ON p.oid = i.inhparent AND p.relkind <> 'I' JOIN pg_namespace AS np ON np.oid = p.relnamespace
    JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_partitioned_table AS t ON t.partrelid = p.oid
    WHERE {_OURS} ORDER BY name
    """  # noqa: S608 - constants
)
# Indexes, and extended statistics.
_PARTS = text(
    f"""
    SELECT {_SCHEMA.format("n")} AS schema, i.relname AS name, {_SCHEMA.format("nt")} AS table_schema,
           c.relname AS "table", false AS is_statistics
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_namespace AS n ON n.oid = i.relnamespace
    JOIN pg_class AS c ON c.oid = x.indrelid JOIN pg_namespace AS nt ON nt.oid = c.relnamespace
    WHERE {_OURS}
    UNION ALL
    SELECT {_SCHEMA.format("n")}, s.stxname, {_SCHEMA.format("nt")}, c.relname, true
    FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = s.stxnamespace
    JOIN pg_class AS c ON c.oid = s.stxrelid JOIN pg_namespace AS nt ON nt.oid = c.relnamespace
    WHERE {_OURS}
    """  # noqa: S608 - constants
)
_NAMES_OF = """
    ARRAY(
        SELECT a.attname::text FROM unnest({keys}) WITH ORDINALITY AS listed (number, position)
        JOIN pg_attribute AS a ON a.attrelid = {table} AND a.attnum = listed.number ORDER BY listed.position
    )
"""
# Those of partitions, which they have from their table, are left out.
_FOREIGN_KEYS = text(
    f"""
    SELECT k.conname AS name, {_SCHEMA.format("n")} AS schema, c.relname AS "table",
           {_SCHEMA.format("nr")} AS referenced_schema, r.relname AS referenced, i.relname AS key,
           {_NAMES_OF.format(keys="k.conkey", table="k.conrelid")} AS columns,
           {_NAMES_OF.format(keys="k.confkey", table="k.confrelid")} AS referenced_columns,
           k.confdeltype IN ('c', 'n', 'd') AS changes_on_delete, k.confdeltype = 'c' AS deletes_on_delete,
           k.confupdtype IN ('c', 'n', 'd') AS changes_on_update
    FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_class AS r ON r.oid = k.confrelid JOIN pg_namespace AS nr ON nr.oid = r.relnamespace
    LEFT JOIN pg_class AS i ON i.oid = k.conindid
    WHERE k.contype = 'f' AND k.conparentid = 0 AND {_OURS}
    ORDER BY name, "table"
    """  # noqa: S608 - constants
)
_VIEWS = text(
    f"""
    SELECT DISTINCT {_SCHEMA.format("n")} AS schema, v.relname AS name, {_SCHEMA.format("nt")} AS table_schema,
           c.relname AS "table", a.attname AS "column"
    FROM pg_rewrite AS r JOIN pg_class AS v ON v.oid = r.ev_class JOIN pg_namespace AS n ON n.oid = v.relnamespace
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
    JOIN pg_class AS c ON c.oid = d.refobjid JOIN pg_namespace AS nt ON nt.oid = c.relnamespace
    LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND a.attnum > 0
    WHERE v.relkind IN ('v', 'm') AND {_OURS}
    ORDER BY "table", "column"
    """  # noqa: S608 - constants
)
_SEQUENCES = text(
    f"""
    SELECT {_SCHEMA.format("nt")} AS table_schema, c.relname AS "table", {_SCHEMA.format("n")} AS schema,
           s.relname AS name, a.attname AS "column"
    FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_namespace AS n ON n.oid = s.relnamespace
    JOIN pg_class AS c ON c.oid = d.refobjid JOIN pg_namespace AS nt ON nt.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        AND {_OURS} ORDER BY name
    """  # noqa: S608 - constants
)
# Which tables use a type or domain, and by which triggers a function.
_USERS = text(
    f"""
    SELECT DISTINCT {_SCHEMA.format("n")} AS schema, y.typname AS name, {_SCHEMA.format("nt")} AS table_schema,
           c.relname AS "table", false AS is_function
    FROM pg_attribute AS a JOIN pg_type AS y ON a.atttypid IN (y.oid, y.typarray) AND NOT a.attisdropped
    JOIN pg_namespace AS n ON n.oid = y.typnamespace
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm', 'f')
    JOIN pg_namespace AS nt ON nt.oid = c.relnamespace
    WHERE {_OURS}
    UNION
    SELECT {_SCHEMA.format("n")}, y.typname, {_SCHEMA.format("nt")}, c.relname, false
    FROM pg_class AS c JOIN pg_type AS y ON y.oid = c.reloftype JOIN pg_namespace AS n ON n.oid = y.typnamespace
    JOIN pg_namespace AS nt ON nt.oid = c.relnamespace
    UNION ALL
    SELECT DISTINCT {_SCHEMA.format("n")}, f.proname, {_SCHEMA.format("nt")}, c.relname, true
    FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid JOIN pg_namespace AS n ON n.oid = f.pronamespace
    JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS nt ON nt.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND {_OURS}
    ORDER BY "table"
    """  # noqa: S608 - constants
)
_DOMAINS = text(
    f"""
    SELECT {_SCHEMA.format("n")} AS schema, y.typname AS name
    FROM pg_type AS y JOIN pg_namespace AS n ON n.oid = y.typnamespace
    WHERE y.typtype = 'd' AND (y.typnotnull OR EXISTS (SELECT FROM pg_constraint WHERE contypid = y.oid)) AND {_OURS}
    """  # noqa: S608 - constants
)
# A change between two of these may leave the rows as they are.
_TYPES = text(
    f"""
    SELECT {_SCHEMA.format("n")} AS schema, c.relname AS name, a.attname AS "column",
           format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid::regtype::text IN ('text', 'character varying', 'numeric')
        AND {_OURS}
    """  # noqa: S608 - constants
)


@dataclass(frozen=True)
class TableSize:
    """What the server has last noted of a table: how many rows, and bytes with its indexes; None: not yet noted."""

    rows: int | None
    bytes: int | None


@dataclass(frozen=True)
class Catalogue:
    """The relations of a database, and the sizes of its tables by their names as effects have them."""

    relations: Relations
    sizes: Mapping[str, TableSize]


def read_catalogue(connection: Connection) -> Catalogue:
    """Read the catalogue, in the transaction of the connection."""
    tables = connection.execute(_TABLES).all()
    children = connection.execute(_CHILDREN).all()
    parts = connection.execute(_PARTS).all()
    users = connection.execute(_USERS).all()
    views = connection.execute(_VIEWS).all()
    relations = Relations(
        tables=frozenset(_name(row) for row in tables),
        with_rows=frozenset(_name(row) for row in tables if row.kind in {"r", "p", "m"}),
        children=_grouped((qualified(row.parent_schema, row.parent), _name(row)) for row in children),
        defaults={qualified(row.parent_schema, row.parent): _name(row) for row in children if row.is_default},
        parents={_name(row): qualified(row.parent_schema, row.parent) for row in children if row.is_partition},
        indexes={_name(row): _table(row) for row in parts if not row.is_statistics},
        statistics={_name(row): _table(row) for row in parts if row.is_statistics},
        foreign_keys=tuple(_foreign_keys(connection)),
        reads=_grouped((_name(row), _table(row)) for row in views),
        columns_read=_columns(views),
        sequences={(_table(row), row.column): _name(row) for row in connection.execute(_SEQUENCES)},
        uses=_grouped((_name(row), _table(row)) for row in users if not row.is_function),
        runs=_grouped((_name(row), _table(row)) for row in users if row.is_function),
        domains=frozenset(_name(row) for row in connection.execute(_DOMAINS)),
        types={(_name(row), row.column): row.type for row in connection.execute(_TYPES)},
    )
    own = {_name(row): TableSize(row.rows, row.bytes) for row in tables if row.kind != "p"}
    whole = {_name(row): _sum(own, relations, _name(row)) for row in tables if row.kind == "p"}
    return Catalogue(relations, own | whole)


def _name(row: Row[Any]) -> str:
    return qualified(row.schema, row.name)


def _table(row: Row[Any]) -> str:
    return qualified(row.table_schema, row.table)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for key, value in pairs:
        found[key][value] = None
    return {key: tuple(values) for key, values in found.items()}


def _columns(views: Iterable[Row[Any]]) -> dict[str, frozenset[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in views:
        if row.column is not None:
            found[_name(row)].add((_table(row), row.column))
    return {view: frozenset(columns) for view, columns in found.items()}


def _foreign_keys(connection: Connection) -> Iterator[ForeignKey]:
    for row in connection.execute(_FOREIGN_KEYS):
        yield ForeignKey(
            name=row.name,
            table=qualified(row.schema, row.table),
            columns=tuple(row.columns),
            referenced=qualified(row.referenced_schema, row.referenced),
            referenced_columns=tuple(row.referenced_columns),
            key=row.key or "",
            changes_on_delete=row.changes_on_delete,
            deletes_on_delete=row.deletes_on_delete,
            changes_on_update=row.changes_on_update,
        )


def _sum(own: Mapping[str, TableSize], relations: Relations, table: str) -> TableSize:
    """Return the size of a partitioned table: that of its partitions, where any is noted."""
    parts = [own[part] for part in relations.with_children(table) if part in own]
    rows = [part.rows for part in parts if part.rows is not None]
    sizes = [part.bytes for part in parts if part.bytes is not None]
    return TableSize(sum(rows) if rows else None, sum(sizes) if sizes else None)
