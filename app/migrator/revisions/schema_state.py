"""The state of a database's schema against the revisions of this release."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Inspector, MetaData, inspect, text

from ...postgres.errors import MigrationFailedError
from ..command_names import command
from ..engine_tables import HISTORY_TABLE, version_table, version_table_options
from ..phase import Phase
from ..read_only_database import read_only_reason
from ..sql.effect import Kind
from ..sql.offline import effects_of
from .history import Entry, last_completed, last_step, read_history, steps_ahead_of
from .loading import oldest_first, phase_of
from .version_table import require_own_versions

_SHOWN = 5
# JSON, because somebody may have changed the column's type.
_VERSIONS = """
    SELECT to_jsonb(found) ->> 'version_num' AS version, jsonb_typeof(to_jsonb(found) -> 'version_num') AS kind
    FROM {} AS found
"""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class SchemaState:
    """A database's revisions and tables, and what this release's revisions add.

    `applied` is None where Alembic does not manage the database: there is no version table, or somebody has emptied it
    although our tables exist. `unknown` are revisions of another release, usually a newer one. `broken_by` are the
    revisions ahead of this release after which it does not work, because they are contract revisions, done or half
    done, or because `schema_history` does not have them. `last_step` is the newest row of that table. `read_only` says
    why nothing can be written; None where it can.
    """

    applied: tuple[str, ...] | None
    tables: frozenset[str]
    pending: tuple[Script, ...]
    unknown: tuple[str, ...]
    broken_by: tuple[str, ...]
    missing_tables: frozenset[str]
    last_step: Entry | None
    read_only: str | None

    @property
    def is_managed(self) -> bool:
        return self.applied is not None

    @property
    def is_behind(self) -> bool:
        """Return whether something may be missing that this release needs; it does not need its contract revisions."""
        if not self.is_managed:
            return bool(self.missing_tables)
        return any(phase_of(script) is Phase.EXPAND for script in self.pending)


def read_state(connection: Connection, directory: ScriptDirectory, metadata: MetaData) -> SchemaState:
    """Read the version table and the list of tables; change nothing. Raises MigrationFailedError."""
    require_own_versions(connection, directory, metadata)
    inspector = inspect(connection)
    tables = frozenset(inspector.get_table_names())
    applied = _applied(connection) if _has_version_table(inspector) else None
    ours = frozenset(table.name for table in metadata.tables.values())
    if not applied and tables & ours:
        # Somebody has emptied it: no revision led to these tables, and none can be applied over them.
        applied = None
    known, unknown = _split_known(directory, applied or ())
    entries = read_history(connection) if HISTORY_TABLE in tables else ()
    return SchemaState(
        applied=applied,
        tables=tables & ours,
        pending=_not_in_force(directory, entries) if unknown else _pending(directory, known),
        unknown=unknown,
        broken_by=_broken_by(directory, entries, unknown),
        missing_tables=ours - tables,
        last_step=last_step(entries),
        read_only=read_only_reason(connection),
    )


def redundant_revisions(directory: ScriptDirectory, applied: Iterable[str]) -> tuple[str, ...]:
    """Return the applied revisions that come before another applied one: Alembic refuses to work with both."""
    known, _ = _split_known(directory, tuple(applied))
    before = {
        script.revision
        for revision in known
        for script in directory.iterate_revisions(revision, "base")
        if script.revision != revision
    }
    return tuple(revision for revision in known if revision in before)


def tables_created_by(revisions: Iterable[Script]) -> frozenset[str] | None:
    """Return the tables that these revisions create, or make by renaming; None where that cannot be known."""
    effects = effects_of(revisions)
    if effects is None or any(effect.kind is Kind.OPAQUE for effect in effects):
        return None
    created = {effect.table for effect in effects if effect.kind is Kind.CREATE_TABLE}
    renamed = {effect.renamed_to for effect in effects if effect.kind is Kind.RENAME_TABLE and effect.renamed_to}
    return frozenset(created | renamed)


def require_no_tables(connection: Connection, revisions: Iterable[Script], metadata: MetaData) -> None:
    """Raise MigrationFailedError where tables exist that these revisions, the first ones, would create.

    `create_all` has made them, or a restore without the version table, or another application.
    """
    there = set(inspect(connection).get_table_names())
    if not there:
        return
    created = tables_created_by(revisions)
    if taken := sorted(there & (metadata.tables.keys() if created is None else created)):
        shown = ", ".join(taken[:_SHOWN]) + (f" and {len(taken) - _SHOWN} more" if len(taken) > _SHOWN else "")
        raise MigrationFailedError(
            f"Nothing was done: tables that the revisions would create are there already ({shown}), but no revision is"
            f" recorded: {version_table()} is missing or empty. If they are this project's (made from the models, or"
            f" restored without that table), compare them with the models, `{command('drift')}`; where nothing"
            f" differs, `{command('stamp')} head` adopts them. If they are another application's, use a database"
            " of its own."
        )


def is_ahead_but_served(
    connection: Connection, directory: ScriptDirectory, heads: Iterable[str], destination: str | tuple[str, ...] | None
) -> bool:
    """Return whether an upgrade to head finds the database ahead of this release, and still serving it.

    So the previous release can be started, and its migration job run, while the next one is rolled out. Raises
    MigrationFailedError where the database does not serve this release.
    """
    wanted = {destination} if isinstance(destination, str) else set(destination or ())
    if wanted != set(directory.get_heads()):
        return False
    _, unknown = _split_known(directory, tuple(heads))
    entries = read_history(connection)
    if broken_by := _broken_by(directory, entries, unknown):
        raise MigrationFailedError(
            f"The database is ahead of this release, and does not serve it any more: revision {', '.join(broken_by)} is"
            " unknown here, and is a contract revision or not recorded in schema_history. Deploy the release that"
            " knows it. If it failed and its file was taken back, drop the index that it has left:"
            f" `{command('doctor')}` names those that are not valid."
        )
    if unknown and (missing := _not_in_force(directory, entries)):
        raise MigrationFailedError(
            f"The database is at revision {', '.join(unknown)} of another release, and revision"
            f" {', '.join(script.revision for script in missing)} of this one is not in force in it: two releases have"
            f" grown apart. Deploy one that has both (`{command('merge')} heads` joins them)."
        )
    if unknown:
        log.warning("the database is ahead of this release, which it still serves: nothing to apply", unknown=unknown)
    return bool(unknown)


def _broken_by(directory: ScriptDirectory, entries: Sequence[Entry], unknown: Iterable[str]) -> tuple[str, ...]:
    ahead = steps_ahead_of(entries, {script.revision for script in directory.walk_revisions()})
    contracts = {name for name, entry in ahead.items() if entry.phase is Phase.CONTRACT}
    return tuple(sorted(contracts | (set(unknown) - set(ahead))))


def _not_in_force(directory: ScriptDirectory, entries: Iterable[Entry]) -> tuple[Script, ...]:
    """Return this release's revisions that are not in force by the history, oldest first."""
    in_force = {name for name, entry in last_completed(entries).items() if entry.is_in_force}
    return tuple(s for s in oldest_first(directory) if s.revision not in in_force)


def require_versions(connection: Connection, directory: ScriptDirectory, metadata: MetaData) -> None:
    """Raise MigrationFailedError where the version table is another application's, or holds what is no revision."""
    require_own_versions(connection, directory, metadata)
    if _has_version_table(inspect(connection)):
        _applied(connection)


def _has_version_table(inspector: Inspector) -> bool:
    options = version_table_options()
    # The inspector remembers the names, which `read_state` needs, too.
    return options["version_table"] in inspector.get_table_names(options["version_table_schema"])


def _applied(connection: Connection) -> tuple[str, ...]:
    # Not through Alembic's MigrationContext: that logs two lines at each call, and readiness calls often.
    rows = connection.execute(text(_VERSIONS.format(version_table()))).all()
    for version, kind in rows:
        if kind != "string" or not version.strip():
            held = {None: "no column version_num", "null": "NULL", "string": "a blank text"}.get(kind)
            raise MigrationFailedError(
                f"The table {version_table()} holds {held or f'{version} (a {kind})'}, which names no revision:"
                f" somebody has changed it by hand. Drop it, compare the schema with the models (`{command('drift')}`),"
                f" then `{command('stamp')} REVISION`; {HISTORY_TABLE} has what was applied last."
            )
    return tuple(version for version, _ in rows)


def _split_known(directory: ScriptDirectory, revisions: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ours = {script.revision for script in directory.walk_revisions()}
    return tuple(r for r in revisions if r in ours), tuple(r for r in revisions if r not in ours)


def _pending(directory: ScriptDirectory, applied: tuple[str, ...]) -> tuple[Script, ...]:
    """Return the revisions that are not applied, oldest first."""
    # One by one, because Alembic refuses two revisions on one line, which somebody may have stamped.
    done = {script.revision for revision in applied for script in directory.iterate_revisions(revision, "base")}
    return tuple(script for script in oldest_first(directory) if script.revision not in done)
