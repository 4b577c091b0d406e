"""Where a database stands against the revisions of this release."""

from collections.abc import Iterable
from dataclasses import dataclass

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, text

from app.db.migrations.config import VERSION_TABLE
from app.db.migrations.effects import Kind, effects_of


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
    """The tables that these revisions create, or make by renaming; None where that cannot be known."""
    effects = effects_of(revisions)
    if effects is None or any(effect.kind is Kind.OPAQUE for effect in effects):
        return None
    created = {effect.table for effect in effects if effect.kind is Kind.CREATE_TABLE}
    renamed = {effect.renamed_to for effect in effects if effect.kind is Kind.RENAME_TABLE and effect.renamed_to}
    return frozenset(created | renamed)


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
