"""Run several backfills, one after the other: one that fails keeps none of the others from running."""

import asyncio
from collections.abc import Iterator, Sequence

import structlog
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import open_connection
from ...postgres.errors import DatabaseError
from ...postgres.url.database_url import DatabaseURL
from ..command_names import command
from ..config import MigratorConfig
from ..locking.deadline import Deadline
from ..locking.table_locks import read_when_unlocked
from ..read_only_database import ReadOnlyDatabaseError
from ..revisions.loading import load_revisions
from ..signals import cancel_on_signals
from .definition import Backfill, load_backfills, named_backfills
from .executor import Report, run_one
from .status import BackfillState, BackfillStatus, read_statuses
from .throttle import Throttle

log = structlog.stdlib.get_logger(__name__)


class BackfillWaitsError(DatabaseError):
    """The revision that a backfill runs after is not applied yet."""


class SeveralBackfillsError(DatabaseError):
    """Several backfills did not end; the exit code is that of the worst."""

    def __init__(self, errors: Sequence[DatabaseError]) -> None:
        reasons = "".join(f"\n  - {error}" for error in errors)
        super().__init__(f"{len(errors)} backfills did not end; what they did before stays:{reasons}")
        self.exit_code = max(error.exit_code for error in errors)


def run(config: MigratorConfig, names: Sequence[str] | None, throttle: Throttle, report: Report) -> None:
    """Run these backfills to their end, one after the other; with None all that can be run and are not done.

    It calls `report` after each batch. One that fails is logged, and raised once the others have run. SIGINT and
    SIGTERM roll back the current batch and raise InterruptedBySignalError. Do not call it in a thread that runs an
    event loop. Raises UnknownBackfillError, BackfillWaitsError, MigrationFailedError, SeveralBackfillsError and
    DatabaseUnreachableError.
    """
    directory = load_revisions(config)
    named_backfills(directory, names or ())
    with config.open_database() as url:
        failed = asyncio.run(_run(config, url, directory, names, throttle, report))
    if failed:
        raise failed[0] if len(failed) == 1 else SeveralBackfillsError(failed)


async def _run(
    config: MigratorConfig,
    url: DatabaseURL,
    directory: ScriptDirectory,
    names: Sequence[str] | None,
    throttle: Throttle,
    report: Report,
) -> list[DatabaseError]:
    """Return the errors of those that did not end."""
    known, failed = load_backfills(directory), list[DatabaseError]()
    with cancel_on_signals():
        async with open_connection(url, config.connect_timeout, config.application) as connection:
            for status in _chosen(await read_current_statuses(connection, config, directory), names):
                try:
                    await _run_status(connection, config, known[status.name], status, throttle, report)
                except ReadOnlyDatabaseError:
                    # The others would say the same.
                    raise
                except DatabaseError as exc:
                    log.warning("a backfill did not end", backfill=status.name, reason=str(exc))
                    failed.append(exc)
    return failed


async def _run_status(
    connection: AsyncConnection,
    config: MigratorConfig,
    backfill: Backfill,
    status: BackfillStatus,
    throttle: Throttle,
    report: Report,
) -> None:
    if status.state is BackfillState.WAITING:
        raise BackfillWaitsError(
            f"Backfill {status.name} runs after revision {status.after}, which is not applied:"
            f" `{command('upgrade')} --phase expand` first."
        )
    await run_one(connection, config, backfill, throttle, report)


async def read_current_statuses(
    connection: AsyncConnection, config: MigratorConfig, directory: ScriptDirectory
) -> list[BackfillStatus]:
    """Return where each backfill stands, in the order to run them, once the tables can be read."""
    deadline, limit = Deadline(config.lock_wait), config.lock_timeout
    statuses = await read_when_unlocked(connection, deadline, limit, read_statuses, directory, config.metadata)
    await connection.rollback()
    return statuses


def _chosen(statuses: Sequence[BackfillStatus], names: Sequence[str] | None) -> Iterator[BackfillStatus]:
    """Yield the backfills that are to be run; one that is named and waits for its revision, too."""
    for status in statuses:
        if names is not None and status.name not in names:
            continue
        if status.state is BackfillState.NOT_NEEDED:
            log.info("a backfill is not needed any more", backfill=status.name, required_by=list(status.required_by))
        elif status.state is BackfillState.PAUSED and names is None:
            log.info("a backfill is paused", backfill=status.name)
        elif status.state is BackfillState.WAITING and names is None:
            log.info("a backfill waits for its revision", backfill=status.name, revision=status.after)
        else:
            yield status
