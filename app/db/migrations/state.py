"""Where a database stands against the revisions of this release."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, text

from app.db.migrations.config import VERSION_TABLE

_CREATE_TABLE = re.compile(
    r"""\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:"?\w+"?\s*\.\s*)?"?(\w+)"?""", re.IGNORECASE
)

_RENAME_TABLE = re.compile(r"""\bALTER\s+TABLE\b[^;]*?\bRENAME\s+TO\s+"?(\w+)"?""", re.IGNORECASE)


@dataclass(frozen=True)
class SchemaState:
    """A database's revisions (`None`: it has no version table) and tables, and what this release's revisions add."""

    applied: tuple[str, ...] | None
    tables: frozenset[str]
    pending: tuple[Script, ...]
    unknown: tuple[str, ...]
    missing_tables: frozenset[str]

    @property
    def is_managed(self) -> bool:
        return self.applied is not None

    @property
    def is_behind(self) -> bool:
        """Whether something that this release's models rely on may be missing."""
        return bool(self.pending) if self.is_managed else bool(self.missing_tables)


def read_state(connection: Connection, directory: ScriptDirectory, metadata: MetaData) -> SchemaState:
    """Looks at the version table and the list of tables; changes nothing."""
    tables = frozenset(inspect(connection).get_table_names())
    applied = _applied(connection) if VERSION_TABLE in tables else None
    known, unknown = _split_known(directory, applied or ())
    ours = frozenset(table.name for table in metadata.tables.values())
    return SchemaState(
        applied=applied,
        tables=tables & ours,
        pending=() if unknown else _pending(directory, known),
        unknown=unknown,
        missing_tables=ours - tables,
    )


def tables_created_by(revisions: Iterable[Script]) -> frozenset[str] | None:
    """The tables that these revisions create, read from the SQL that they print offline.

    None where a revision cannot be run offline: then nothing can be said.
    """
    created: set[str] = set()
    for script in revisions:
        buffer = io.StringIO()
        offline = MigrationContext.configure(
            dialect_name="postgresql", opts={"as_sql": True, "literal_binds": True, "output_buffer": buffer}
        )
        try:
            with Operations.context(offline):
                script.module.upgrade()
        except Exception:  # noqa: BLE001 - whatever a maintainer's revision raises, the answer is the same
            return None
        created.update(_CREATE_TABLE.findall(buffer.getvalue()), _RENAME_TABLE.findall(buffer.getvalue()))
    return frozenset(created)


def _applied(connection: Connection) -> tuple[str, ...]:
    # Not through Alembic's MigrationContext: that logs two lines at each call, and readiness calls often.
    return tuple(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}")))  # noqa: S608 - a constant


def _split_known(directory: ScriptDirectory, revisions: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ours = {script.revision for script in directory.walk_revisions()}
    return tuple(r for r in revisions if r in ours), tuple(r for r in revisions if r not in ours)


def _pending(directory: ScriptDirectory, applied: tuple[str, ...]) -> tuple[Script, ...]:
    """Oldest first."""
    # One by one: Alembic refuses two of which one comes before the other, which somebody may have stamped.
    done = {script.revision for revision in applied for script in directory.iterate_revisions(revision, "base")}
    every = reversed(list(directory.walk_revisions()))
    return tuple(script for script in every if script.revision not in done)
