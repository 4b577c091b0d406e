"""What `migrations/env.py` does, whichever command started it: connect, lock, and run the revisions."""

import asyncio
import sys
import traceback
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationInfo
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData

from app.core.config import Settings
from app.core.errors import SettingsError
from app.core.logging import configure_logging
from app.db.connecting import connected, wait_for_database
from app.db.engine import create_unpooled_engine, database
from app.db.errors import DatabaseError, MigrationFailedError, cause_of
from app.db.migrations.config import VERSION_TABLE, settings_of
from app.db.migrations.lock import migration_lock
from app.db.url import DatabaseURL

# Said once, so that the offline and the online mode cannot come to differ.
_OPTIONS: dict[str, Any] = {
    "version_table": VERSION_TABLE,
    "compare_type": True,
    "transaction_per_migration": True,
}


def run_offline(metadata: MetaData) -> None:
    """Prints the SQL of the revisions on standard output, and connects to nothing."""
    if _started_by_alembic():
        _enter_command_line()
    context.configure(
        dialect_name="postgresql",
        target_metadata=metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **_OPTIONS,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online(metadata: MetaData) -> None:
    """Runs the revisions in the database that the settings mean.

    Raises SettingsError and DatabaseError; under the `alembic` command those are a message and an exit code.
    """
    if not _started_by_alembic():
        _run(settings_of(context.config), metadata)
        return
    try:
        _run(_enter_command_line(), metadata)
    except (SettingsError, DatabaseError) as exc:
        sys.stderr.write(f"Error: {exc}\n")
        raise SystemExit(exc.exit_code) from None


def _started_by_alembic() -> bool:
    return context.config.cmd_opts is not None


def _enter_command_line() -> Settings:
    """Under `alembic` nothing has set up logging yet; elsewhere the application's stays as it is."""
    try:
        settings = settings_of(context.config)
    except SettingsError as exc:
        sys.stderr.write(f"Error: {exc}\n")
        raise SystemExit(exc.exit_code) from None
    configure_logging(settings)
    return settings


def _run(settings: Settings, metadata: MetaData) -> None:
    with database(settings) as url:
        asyncio.run(_migrate(settings, url, metadata))


async def _migrate(settings: Settings, url: DatabaseURL, metadata: MetaData) -> None:
    await wait_for_database(settings, url)
    engine = create_unpooled_engine(url, settings.db_connect_timeout)

    async def run() -> None:
        async with engine.connect() as connection:
            await connection.run_sync(_run_revisions, metadata)

    async with connected(url):
        if _changes_the_schema():
            async with migration_lock(engine, settings.db_migrate_lock_wait):
                await run()
        else:
            await run()


def _changes_the_schema() -> bool:
    """Whether this is upgrade, downgrade or stamp; the commands that only look name no destination."""
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def _run_revisions(connection: Connection, metadata: MetaData) -> None:
    finished: list[str | None] = []

    # Alembic passes all four by name.
    def remember(ctx: object, step: MigrationInfo, heads: object, run_args: object) -> None:  # noqa: ARG001
        finished.append(step.up_revision_id)

    context.configure(connection=connection, target_metadata=metadata, on_version_apply=remember, **_OPTIONS)
    try:
        with context.begin_transaction():
            context.run_migrations()
    except (CommandError, DatabaseError):
        raise
    except Exception as exc:
        revision = _revision_of(context.script, exc) or (finished[-1] if finished else None)
        script = context.script.get_revision(revision) if revision else None
        name = f"Revision {script.revision} ({script.path})" if script else "The migration"
        raise MigrationFailedError(f"{name} could not be applied: {cause_of(exc)}") from exc


def _revision_of(directory: ScriptDirectory, exc: Exception) -> str | None:
    """The revision whose file the exception passed through; none where a COMMIT failed after the file had ended."""
    files = {frame.filename for frame in traceback.extract_tb(exc.__traceback__)}
    return next((script.revision for script in directory.walk_revisions() if script.path in files), None)
