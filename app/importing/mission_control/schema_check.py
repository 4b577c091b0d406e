"""Compare the schema of a database with that of the old backend's last migration."""

from collections.abc import Iterator, Mapping

from app.importing.mission_control.findings import Finding
from app.importing.mission_control.old_schema import OLD_TABLES, OPTIONAL_TABLES, SAME_TYPES
from app.importing.mission_control.source import Source
from app.postgres.errors import one_printable_line

# Not information_schema: it hides the tables that this role may not read.
_COLUMNS = """
SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL)::text,
  has_column_privilege(c.oid, a.attnum, 'SELECT')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p')
ORDER BY c.relname, a.attname"""
_NOT_AT_HEAD = "run `alembic upgrade head` in the old backend"


async def compare_schema(source: Source) -> tuple[list[Finding], list[Finding]]:
    """Return what cannot be read, is missing or of another type, and what the last old migration does not know."""
    ((encoding,),) = await source.fetch("SELECT current_setting('server_encoding')")
    if encoding != "UTF8":
        told = f"its encoding is {encoding}, and not UTF8: restore a dump of it into one that is UTF8"
        return [Finding(source.location, told)], []
    held: dict[str, dict[str, str]] = {}
    unreadable: set[str] = set()
    for table, column, data_type, readable in await source.fetch(_COLUMNS):
        held.setdefault(table, {})[column] = SAME_TYPES.get(data_type, data_type)
        if not readable:
            unreadable.add(table)
    if "clerk_user_id" not in held.get("users", {}):
        return [Finding("users", "there is no such table with a column clerk_user_id: is it another database?")], []
    told = "the role in URL may not read all of it: GRANT it SELECT"
    problems = [Finding(table, told) for table in OLD_TABLES.keys() - OPTIONAL_TABLES if table in unreadable]
    return [*sorted(problems, key=lambda each: each.table), *_missing(held)], [*_unknown(held)]


def _missing(held: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    for table, columns in OLD_TABLES.items():
        if table not in held:
            if table not in OPTIONAL_TABLES:
                yield Finding(table, f"the table is missing: {_NOT_AT_HEAD}")
            continue
        for column, data_type in columns.items():
            found = held[table].get(column)
            if found is None:
                yield Finding(table, f"the column {column} is missing: {_NOT_AT_HEAD}")
            elif found != data_type:
                shown = one_printable_line(found)
                yield Finding(table, f"the column {column} is {shown}, and not {data_type}: {_NOT_AT_HEAD}")


def _unknown(held: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    # Anybody may have named these, and a terminal shows them.
    for table, columns in held.items():
        if table not in OLD_TABLES:
            yield Finding(one_printable_line(table), "the table stays behind: it is none that this release knows")
            continue
        for column in map(one_printable_line, columns.keys() - OLD_TABLES[table].keys()):
            yield Finding(table, f"the column {column} stays behind: it is none that this release knows")
