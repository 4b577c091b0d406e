"""Compare the schema of a database with that of the old backend's last migration."""

from collections.abc import Iterator, Mapping

from app.importing.mission_control.findings import Finding
from app.importing.mission_control.old_schema import OLD_TABLES, OPTIONAL_TABLES, SAME_TYPES
from app.importing.mission_control.source import Source

_COLUMNS = """
SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
ORDER BY table_name, column_name"""
_NOT_AT_HEAD = "run `alembic upgrade head` in the old backend"


async def compare_schema(source: Source) -> tuple[list[Finding], list[Finding]]:
    """Return what is missing or of another type, and what the old backend's last migration does not know."""
    held: dict[str, dict[str, str]] = {}
    for table, column, data_type in await source.fetch(_COLUMNS):
        held.setdefault(table, {})[column] = SAME_TYPES.get(data_type, data_type)
    if "clerk_user_id" not in held.get("users", {}):
        return [Finding("users", "there is no such table with a column clerk_user_id: is it another database?")], []
    return [*_missing(held)], [*_unknown(held)]


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
                yield Finding(table, f"the column {column} is {found}, and not {data_type}: {_NOT_AT_HEAD}")


def _unknown(held: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    for table, columns in held.items():
        if table not in OLD_TABLES:
            yield Finding(table, "the table stays behind: it is none that this release knows")
            continue
        for column in columns.keys() - OLD_TABLES[table].keys():
            yield Finding(table, f"the column {column} stays behind: it is none that this release knows")
