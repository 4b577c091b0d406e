"""Check that the version table, which is named without a schema, is this application's."""

from collections.abc import Collection
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from ...postgres.errors import MigrationFailedError, one_printable_line
from ..engine_tables import HISTORY_TABLE, version_table, version_table_options
from .baselines import describe_deleted
from .ids import LONGEST, find_long_ids, widens_version_table

_FOUND = text(
    """
    SELECT namespace.nspname AS schema, coalesce(CAST(:schema AS text), current_schema()) AS ours,
           to_regclass(:history) IS NOT NULL AS has_history,
           has_table_privilege(found.oid, 'SELECT') AS is_readable,
           (SELECT count(*) FROM pg_class AS their
            WHERE their.relnamespace = to_regnamespace(current_schema())
              AND their.relname = ANY(CAST(:tables AS text[]))) AS tables
    FROM pg_class AS found JOIN pg_namespace AS namespace ON namespace.oid = found.relnamespace
    WHERE found.oid = to_regclass(:versions) AND current_schema() IS NOT NULL
    """
)
# JSON, because another application's table may have another column.
_VERSIONS = "SELECT to_jsonb(found) ->> 'version_num' FROM {} AS found"


_LONGEST = text(
    """
    SELECT CASE WHEN atttypid = 'varchar'::regtype AND atttypmod > 4 THEN atttypmod - 4 ELSE 2147483647 END
    FROM pg_attribute WHERE attrelid = to_regclass(:versions) AND attname = 'version_num'
    """
)


class ForeignVersionsError(MigrationFailedError):
    """The version table is another application's: it says nothing about this schema, and nothing is changed."""


def longest_id(connection: Connection) -> int:
    """Return how many characters of an id the version table holds, or will hold once Alembic has made it."""
    return int(connection.scalar(_LONGEST, {"versions": version_table()}) or LONGEST)


def require_ids_fit(connection: Connection, directory: ScriptDirectory) -> None:
    """Raise MigrationFailedError where an id is longer than the version table holds, and no revision widens it."""
    if not find_long_ids(directory, LONGEST):
        return
    faults = find_long_ids(directory, longest_id(connection))
    if faults and not widens_version_table(Path(script.path) for script in directory.walk_revisions()):
        fault = faults[-1]
        raise MigrationFailedError(
            f"{fault.path}: the revision id {fault.revision!r} {fault.what}. Choose a shorter one, or widen the column"
            f" in a revision before it: ALTER TABLE {version_table()} ALTER version_num TYPE varchar(128)."
        )


def require_own_versions(connection: Connection, directory: ScriptDirectory, metadata: MetaData) -> None:
    """Raise ForeignVersionsError where a name without a schema leads to another application's version table.

    Raises MigrationFailedError where an id does not fit into it.
    """
    require_ids_fit(connection, directory)
    names = {"history": HISTORY_TABLE, "versions": version_table(), "tables": list(metadata.tables)}
    own_schema = version_table_options()["version_table_schema"]
    found = connection.execute(_FOUND, {**names, "schema": own_schema}).first()
    if found is None:
        return
    known = {script.revision for script in directory.walk_revisions()}
    versions = (
        [str(version) for version in connection.scalars(text(_VERSIONS.format(version_table())))]
        if found.is_readable
        else []
    )
    unknown = [version for version in versions if version not in known]
    if deleted := describe_deleted(directory, unknown):
        raise MigrationFailedError(deleted)
    if found.schema != found.ours:
        raise ForeignVersionsError(_other_schema_message(found.schema, found.ours, versions, unknown))
    # A newer release of ours has a history, and most of the tables.
    if unknown and not found.has_history and found.tables < len(metadata.tables) / 2:
        raise ForeignVersionsError(
            f"The table {version_table()} in the schema {found.schema} is another application's: revision"
            f" {_join(unknown)} is none of this release's, there is no {HISTORY_TABLE}, and this application's tables"
            " are not there. Give it a database of its own, or a schema: CREATE SCHEMA its_name, and"
            " `options=-csearch_path%3Dits_name` in the URL."
        )


def _other_schema_message(schema: str, ours: str, versions: Collection[str], unknown: Collection[str]) -> str:
    if unknown:
        whose = f"another application's (revision {_join(unknown)} is none of this release's)"
    elif versions:
        whose = "that of another installation of this application"
    else:
        whose = "another application's (this role may not read it, or it is empty)"
    return (
        f"The table {version_table()} that search_path leads to is in the schema {schema}, and not in {ours}, where"
        f" tables are made: it is {whose}. Take {schema} out of search_path (`options=-csearch_path%3D{ours}` in the"
        " URL, or ALTER ROLE … SET search_path), or name it alone if the tables there are meant."
    )


def _join(revisions: Collection[str]) -> str:
    return one_printable_line(", ".join(revisions), 100)
