"""The engine's own tables: they are no models, and drift does not report them."""

from ..postgres.settings_error import SettingsError

VERSION_TABLE = "alembic_version"
HISTORY_TABLE = "schema_history"
BACKFILL_TABLE = "schema_backfills"

_version_table = (VERSION_TABLE, "")


def version_table() -> str:
    """Return the name of Alembic's table in SQL; a process has one, as it has one set of revisions."""
    name, schema = _version_table
    return f"{schema}.{name}" if schema else name


def version_table_options() -> dict[str, str | None]:
    """Return the name and the schema as Alembic's options."""
    name, schema = _version_table
    return {"version_table": name, "version_table_schema": schema or None}


def set_version_table(name: str, schema: str | None = None) -> None:
    """Set the name of Alembic's table. Raises SettingsError for a name that would need quoting."""
    global _version_table  # noqa: PLW0603 - one process is one program
    for field, value in (("version_table", name), ("version_table_schema", schema)):
        if value is not None and not (value.isidentifier() and value == value.lower()):
            raise SettingsError(field, f"is {value!r}", "Only a name in small letters, without a dot, is taken.")
    _version_table = (name, schema or "")


def engine_tables() -> frozenset[str]:
    """Return the names of the engine's own tables in the schema in which tables are made."""
    return frozenset({HISTORY_TABLE, BACKFILL_TABLE} | ({version_table()} if not _version_table[1] else set()))
