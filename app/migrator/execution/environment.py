"""What `migrations/env.py` does, whichever command started it: connect, lock, and run the revisions."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from alembic import context
from alembic.operations.ops import MigrationScript
from alembic.script.revision import MultipleHeads
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData

from app.core.config import Settings
from app.db.database import open_migration_database
from app.migrator.cli.closed_pipe import end_at_closed_pipe
from app.migrator.execution.executor import Run
from app.migrator.execution.printed_sql import PrintedScript
from app.migrator.revisions.loading import OPTIONS, checked, in_words, scope_of, settings_of, several_heads
from app.migrator.revisions.state import require_versions
from app.migrator.session.signals import ended_by_signals
from app.migrator.session.table_locks import limited_lock_waits
from app.postgres.connect import open_connection
from app.postgres.errors import DatabaseError, MigrationFailedError
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL

log = structlog.stdlib.get_logger(__name__)


def run_offline(metadata: MetaData) -> None:
    """Prints the SQL of the revisions on standard output, and connects to nothing. Raises as `run_online`."""
    with _messages_under_alembic():
        settings = settings_of(context.config)
        checked(context.script)
        PrintedScript(settings, metadata)()


def run_online(metadata: MetaData) -> None:
    """Runs the revisions in the database that the settings mean.

    Raises SettingsError and DatabaseError; under the `alembic` command those are a message and an exit code.
    """
    with _messages_under_alembic():
        _run(settings_of(context.config), metadata)


@contextmanager
def _messages_under_alembic() -> Iterator[None]:
    if _started_by_alembic():
        end_at_closed_pipe()
        # Alembic has kept the stream of before, to which `current` writes.
        context.config.stdout = sys.stdout
    try:
        with _heads_in_words():
            yield
    except (SettingsError, DatabaseError) as exc:
        if not _started_by_alembic():
            raise
        sys.stderr.write(f"Error: {exc}\n")
        raise SystemExit(exc.exit_code) from None
    except KeyboardInterrupt:
        if not _started_by_alembic():
            raise
        sys.stderr.write("Interrupted.\n")
        raise SystemExit(130) from None


@contextmanager
def _heads_in_words() -> Iterator[None]:
    try:
        yield
    except CommandError as exc:
        if not isinstance(exc.__cause__, MultipleHeads):
            raise
        raise MigrationFailedError(in_words(exc, context.script)) from exc


def _started_by_alembic() -> bool:
    return context.config.cmd_opts is not None


def _run(settings: Settings, metadata: MetaData) -> None:
    checked(context.script)
    with open_migration_database(settings) as url:
        asyncio.run(_migrate(settings, url, metadata))


async def _migrate(settings: Settings, url: DatabaseURL, metadata: MetaData) -> None:
    scope = scope_of(context.config)
    if scope.breaker is not None:
        scope.breaker.watch()
    with ended_by_signals():
        async with open_connection(url, settings.db_connect_timeout, "plimsoll migrations") as connection:
            if _changes_the_schema():
                await Run(connection, settings, metadata, scope)()
            else:
                async with limited_lock_waits(connection, settings.db_migrate_lock_timeout):
                    await connection.run_sync(_only_look, metadata)


def _changes_the_schema() -> bool:
    """Whether this is upgrade, downgrade or stamp: the others have no destination.

    They only look, but for `alembic ensure_version`, which makes an empty version table, and harms nobody.
    """
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def _only_look(connection: Connection, metadata: MetaData) -> None:
    # Imported here because an upgrade, or a start that makes one, needs none of it.
    from app.migrator.autogenerate.comparison import COMPARISON  # noqa: PLC0415

    require_versions(connection, context.script)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        process_revision_directives=_leave_out_empty,
        autogenerate_plugins=[COMPARISON],
        **OPTIONS,
    )
    several = several_heads(context.script) if _autogenerates() else None
    if several:
        raise MigrationFailedError(f"Nothing was compared: {several}.")
    with context.begin_transaction():
        context.run_migrations()


def _autogenerates() -> bool:
    """Tell `check` and `revision --autogenerate` from commands that do not compare the models."""
    revision = context.get_context().opts.get("revision_context")
    return revision is not None and bool(revision.command_args["autogenerate"])


def _leave_out_empty(migration: object, revision: object, directives: list[MigrationScript]) -> None:  # noqa: ARG001
    """No file for an autogenerated revision that would change nothing; `litestar database` does the same."""
    autogenerate = getattr(context.config.cmd_opts, "autogenerate", False)
    if autogenerate and directives[0].upgrade_ops is not None and directives[0].upgrade_ops.is_empty():
        directives.clear()
        log.info("the models and the database are alike: no revision was made")
