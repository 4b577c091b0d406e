"""What a database holds: tables and their rows, and everything that a restore has to drop first.

What belongs to an extension is left out.
"""

from typing import NamedTuple

from sqlalchemy import Connection, text

from ..engine_tables import version_table
from ..locking.silence_guard import GUARD_NAME

_OWN_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_OF_EXTENSION = "SELECT FROM pg_depend AS d WHERE d.classid = '{0}'::regclass AND d.objid = {1}.oid AND d.deptype = 'e'"
# Also what is dropped with another object: a column's sequence, a partition. (A partitioned table depends on itself.)
_OF_ANOTHER = _OF_EXTENSION.replace("= 'e'", "IN ('e', 'a', 'i') AND d.refobjid <> d.objid")

# Without partitioned tables, whose rows are in their partitions.
TABLES = f"""
    SELECT format('%I.%I', n.nspname, c.relname) COLLATE "C" AS name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND {_OWN_SCHEMA} AND NOT EXISTS ({_OF_EXTENSION.format("pg_class", "c")})
    ORDER BY 1
"""  # noqa: S608 - constants


# As text, because somebody may have changed the table by hand.
def revisions_query() -> str:
    """Return the statement that reads the database's revisions."""
    return f"""
    SELECT version_num::text COLLATE "C" AS name FROM {version_table()} WHERE version_num IS NOT NULL ORDER BY 1
"""  # noqa: S608 - a plain name


# Kind of object -> the column with its schema, if it is in one.
_CATALOGS = {
    "pg_collation": "collnamespace",
    "pg_conversion": "connamespace",
    "pg_operator": "oprnamespace",
    "pg_opclass": "opcnamespace",
    "pg_opfamily": "opfnamespace",
    "pg_ts_config": "cfgnamespace",
    "pg_ts_dict": "dictnamespace",
    "pg_ts_parser": "prsnamespace",
    "pg_ts_template": "tmplnamespace",
    "pg_cast": "NULL",
    "pg_foreign_server": "NULL",
    "pg_foreign_data_wrapper": "NULL",
    "pg_event_trigger": "NULL",
    "pg_language": "NULL",
    "pg_am": "NULL",
}
_RARE = " UNION ALL ".join(
    f"SELECT '{name}'::regclass AS catalog, oid, {schema}::oid AS schema FROM {name}"  # noqa: S608 - constants
    for name, schema in _CATALOGS.items()
)
# FirstNormalObjectId in PostgreSQL's access/transam.h: what has a smaller number came with the server.
_FIRST_OF_A_DATABASE = 16384

# In the order of dropping. The CASCADE of one may drop a later one.
_OBJECTS = f"""
    SELECT -1 AS rank, 'extension' AS kind, format('%I', e.extname) AS name, 'EXTENSION' AS word
    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE {_OWN_SCHEMA} AND n.nspname <> 'public' AND pg_has_role(n.nspowner, 'USAGE')
    UNION ALL
    SELECT 0, 'schema', format('%I', n.nspname), 'SCHEMA'
    FROM pg_namespace AS n
    WHERE {_OWN_SCHEMA} AND n.nspname <> 'public' AND NOT EXISTS ({_OF_EXTENSION.format("pg_namespace", "n")})
      AND (pg_has_role(n.nspowner, 'USAGE') OR NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extnamespace = n.oid))
    UNION ALL
    SELECT k.rank, k.kind, format('%I.%I', n.nspname, c.relname), upper(k.kind)
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN (VALUES ('v', 1, 'view'), ('m', 1, 'materialized view'), ('r', 2, 'table'), ('p', 2, 'table'),
                 ('f', 2, 'foreign table'), ('S', 3, 'sequence')) AS k (relkind, rank, kind)
      ON k.relkind = c.relkind::text
    WHERE {_OWN_SCHEMA} AND NOT EXISTS ({_OF_ANOTHER.format("pg_class", "c")})
    UNION ALL
    SELECT 4, 'routine', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), 'ROUTINE'
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE {_OWN_SCHEMA} AND NOT EXISTS ({_OF_EXTENSION.format("pg_proc", "p")})
    UNION ALL
    SELECT 5, 'type', format('%I.%I', n.nspname, t.typname), 'TYPE'
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE (t.typtype IN ('d', 'e', 'r') OR EXISTS (SELECT FROM pg_class WHERE oid = t.typrelid AND relkind = 'c'))
      AND {_OWN_SCHEMA} AND NOT EXISTS ({_OF_EXTENSION.format("pg_type", "t")})
    UNION ALL
    -- First the triggers that may forbid to drop the others.
    SELECT CASE i.type WHEN 'event trigger' THEN -2 ELSE 6 END, i.type, i.identity, upper(replace(i.type, '-', ' '))
    FROM ({_RARE}) AS o
    LEFT JOIN pg_namespace AS n ON n.oid = o.schema
    CROSS JOIN LATERAL pg_identify_object(o.catalog, o.oid, 0) AS i
    WHERE CASE WHEN o.schema IS NULL THEN o.oid >= {_FIRST_OF_A_DATABASE} ELSE {_OWN_SCHEMA} END
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = o.catalog AND d.objid = o.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 7, 'large objects', count(*)::text, NULL FROM pg_largeobject_metadata HAVING count(*) > 0
    ORDER BY 1, 3
"""  # noqa: S608 - constants
_DROP_LARGE_OBJECTS = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata"
_OTHERS = text(
    f"""
    SELECT coalesce(nullif(application_name, ''), 'an application without a name') AS application, count(*) AS sessions
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
      AND coalesce(backend_type, 'client backend') = 'client backend' AND application_name <> '{GUARD_NAME}'
    GROUP BY 1 ORDER BY 1
    """  # noqa: S608 - a constant
)
_NAMED = 8


class Obstacle(NamedTuple):
    """An object that a restore has to drop: its kind, its quoted name, and the statement that drops it."""

    kind: str
    name: str
    drop: str


def table_names(connection: Connection) -> tuple[str, ...]:
    """Return the quoted names of the database's tables, with their schemas."""
    return tuple(connection.scalars(text(TABLES)))


def count_statement(table: str) -> str:
    """Return the statement that counts the table's rows, but not those of tables that inherit from it."""
    return f"SELECT count(*) FROM ONLY {table}"  # noqa: S608 - quoted by PostgreSQL


def revisions_of(connection: Connection) -> tuple[str, ...]:
    """Return the revisions in the version table; nothing if there is none."""
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": version_table()}) is None:
        return ()
    return tuple(connection.scalars(text(f"SELECT name FROM ({revisions_query()}) AS of_the_database")))  # noqa: S608


def obstacles(connection: Connection) -> tuple[Obstacle, ...]:
    """Return what a restore has to drop, in the order to drop it."""
    return tuple(
        Obstacle(
            row.kind, row.name, f"DROP {row.word} IF EXISTS {row.name} CASCADE" if row.word else _DROP_LARGE_OBJECTS
        )
        for row in connection.execute(text(_OBJECTS))
    )


def describe(found: tuple[Obstacle, ...]) -> str:
    """Return the obstacles in words, tables first."""
    by_kind: dict[str, list[str]] = {}
    for obstacle in sorted(found, key=lambda one: one.kind != "table"):
        by_kind.setdefault(obstacle.kind, []).append(obstacle.name)
    return "; ".join(
        f"{len(names)} {kind}{'s' if len(names) > 1 else ''} ({', '.join(names[:_NAMED])}"
        f"{', …' if len(names) > _NAMED else ''})"
        for kind, names in by_kind.items()
    )


def other_sessions(connection: Connection) -> str:
    """Return who else is connected to the database, in words; empty if nobody is."""
    return ", ".join(f"{row.application} ({row.sessions})" for row in connection.execute(_OTHERS))
