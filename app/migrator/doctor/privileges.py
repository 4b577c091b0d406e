"""Whether the role may do what migrations need, and see what other sessions do."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text

from ..engine_tables import HISTORY_TABLE, engine_tables, version_table
from ..sql.quoting import quote
from .finding import CheckContext, Finding, note, ok, problem
from .setting_reset import find_reset

_ROLE = text(
    """
    SELECT current_user AS role, current_schema() AS schema, current_setting('search_path') AS path,
           current_database() AS database,
           -- The first schema of the path that exists: if there is no current schema, the role may not use it.
           (SELECT nspname
            FROM regexp_split_to_table(current_setting('search_path'), '[", ]+') WITH ORDINALITY AS named (name, place)
            JOIN pg_namespace ON nspname = name
            ORDER BY place LIMIT 1) AS closed,
           has_schema_privilege(current_schema(), 'CREATE') AS may_create,
           has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
           has_database_privilege(current_database(), 'TEMPORARY') AS may_create_temporary,
           pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_others,
           (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()) AS owner,
           -- 10 is the number of the role that initdb makes.
           pg_get_userbyid(10) AS superuser
    """
)
_TABLES = text(
    """
    SELECT relname AS name, pg_get_userbyid(relowner) AS owner, pg_has_role(relowner, 'USAGE') AS ours,
           pg_get_userbyid(10) AS superuser,
           has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
           AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE') AS usable
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
    """
)
_APPLICATION_RIGHTS = text(
    """
    SELECT relname AS name, has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT') AS readable,
           has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT')
           AND has_table_privilege(pg_roles.oid, pg_class.oid, 'INSERT')
           AND has_table_privilege(pg_roles.oid, pg_class.oid, 'UPDATE')
           AND has_table_privilege(pg_roles.oid, pg_class.oid, 'DELETE') AS usable
    FROM pg_class, pg_roles
    WHERE rolname = :role AND relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    ORDER BY relname
    """
)


def schema(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    row = connection.execute(_ROLE).one()
    if row.schema is None:
        yield problem(
            f"None of the schemas in search_path ({row.path}) exists, or may be used by {row.role}.",
            "The tables are neither found nor created.",
            context.psql(*_schema_remedy(connection, row)),
        )
        return
    if row.may_create:
        yield ok(f"The role {row.role} may create tables in the schema {row.schema}.")
    else:
        yield problem(
            f"The role {row.role} may not create tables in the schema {row.schema}.",
            "A revision that creates a table fails. Since PostgreSQL 15 only the database's owner may by default.",
            context.psql(f"GRANT CREATE ON SCHEMA {quote(row.schema)} TO {quote(row.role)}", row.owner),
        )
    grant = f"ON DATABASE {quote(row.database)} TO {quote(row.role)}"
    if not row.may_create_schema:
        yield note(
            f"The role {row.role} may not create schemas in the database.",
            "Comparing the models with the schema takes a place for a second one.",
            context.psql(f"GRANT CREATE {grant}", row.owner),
        )
    if not row.may_create_temporary:
        yield note(
            f"The role {row.role} may not create temporary tables.",
            "A revision that uses one fails.",
            context.psql(f"GRANT TEMPORARY {grant}", row.owner),
        )


def _schema_remedy(connection: Connection, row: Any) -> tuple[str, str]:  # noqa: ANN401 - a row
    """Return the statement after which search_path leads to a schema, and the role that may run it."""
    if row.closed is not None:
        return f"GRANT USAGE, CREATE ON SCHEMA {quote(row.closed)} TO {quote(row.role)}", row.owner
    if reset := find_reset(connection, "search_path"):
        return reset
    wanted = [name for name in row.path.replace('"', "").replace(" ", "").split(",") if name not in {"", "$user"}]
    return f"CREATE SCHEMA {quote(wanted[0] if wanted else 'public')} AUTHORIZATION {quote(row.role)}", row.owner


def can_see_other_sessions(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    row = connection.execute(_ROLE).one()
    if row.sees_others:
        yield ok("What the sessions of other roles do is visible.")
    else:
        yield note(
            f"The role {row.role} does not see what the sessions of other roles do.",
            "Who blocks a migration is named by process number only, and long transactions of others are not found.",
            context.psql(f"GRANT pg_monitor TO {quote(row.role)}", row.superuser),
        )


def tables(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    """Check that the role owns the tables: only the owner may ALTER them, whatever the privileges."""
    names = {table.name for table in context.config.metadata.tables.values()} | engine_tables()
    rows = [row for row in connection.execute(_TABLES) if row.name in names]
    role = str(connection.scalar(text("SELECT current_user")))
    foreign = [row for row in rows if not row.ours]
    if foreign:
        yield problem(
            f"The role {role} does not own {_several([row.name for row in foreign])}: {foreign[0].owner} does.",
            "ALTER TABLE and CREATE INDEX are for the owner, or a member of the owner.",
            context.psql(f"GRANT {quote(foreign[0].owner)} TO {quote(role)}", foreign[0].superuser),
        )
    elif rows:
        yield ok(f"The role {role} owns the {len(rows)} tables that are ours.")
    unusable = [row for row in rows if row.name in engine_tables() and not row.usable]
    if unusable:
        closed = [row.name for row in unusable]
        yield problem(
            f"The role {role} may not read and write {_several(closed)}.",
            "What is applied is kept there; without it nothing can be migrated.",
            context.psql(_grant(closed, role), unusable[0].owner),
        )


def application(connection: Connection, context: CheckContext, role: str) -> Iterator[Finding]:
    """Check that the application's role may use the tables, if another role migrates."""
    names = {table.name for table in context.config.metadata.tables.values()}
    rows = connection.execute(_APPLICATION_RIGHTS, {"role": role}).all()
    closed = [row.name for row in rows if row.name in names and not row.usable]
    unread = [row.name for row in rows if row.name in {version_table(), HISTORY_TABLE} and not row.readable]
    if not closed and not unread:
        yield ok(f"The application's role {role} may read and write every table, and read where the schema stands.")
    if closed:
        yield problem(
            f"The application's role {role} may not read and write {_several(closed)}.",
            "Requests fail with 500. Tables belong to the role that migrates; others need a grant.",
            context.psql(_grant(closed, role)),
        )
    if unread:
        yield problem(
            f"The application's role {role} may not read {_several(unread)}.",
            "What looks there whether the schema is this release's, such as a check of readiness, fails without it.",
            context.psql(_grant(unread, role, "SELECT")),
        )


def _grant(names: list[str], role: str, rights: str = "SELECT, INSERT, UPDATE, DELETE") -> str:
    return f"GRANT {rights} ON {', '.join(map(quote, names))} TO {quote(role)}"


def _several(names: list[str]) -> str:
    shown = 4
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
