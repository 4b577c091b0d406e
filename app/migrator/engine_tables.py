"""The engine's own tables: they are no models, and drift does not report them."""

from ..postgres.settings_error import SettingsError

VERSION_TABLE = "alembic_version"
HISTORY_TABLE = "schema_history"
BACKFILL_TABLE = "schema_backfills"

_version_table = VERSION_TABLE


def version_table() -> str:
    """Return the name of Alembic's table; a process has one, as it has one set of revisions."""
    return _version_table


def set_version_table(name: str) -> None:
    """Set the name of Alembic's table. Raises SettingsError for a name that would need quoting."""
    global _version_table  # noqa: PLW0603 - one process is one program
    if not name.isidentifier() or name != name.lower():
        raise SettingsError(
            "version_table", f"is {name!r}", "Only a name in small letters, without a schema, is taken."
        )
    _version_table = name


def engine_tables() -> frozenset[str]:
    """Return the names of the engine's own tables."""
    return frozenset({version_table(), HISTORY_TABLE, BACKFILL_TABLE})
