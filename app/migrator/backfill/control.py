"""Pause, resume and retry backfills: noted in their records, which every process that runs one obeys."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Connection

from ...postgres.connect import open_connection
from ...postgres.errors import DatabaseError
from ..config import MigratorConfig
from ..locking.table_locks import limit_lock_waits
from ..read_only_database import require_writable
from ..revisions.history import Outcome
from ..revisions.loading import load_revisions
from . import records
from .definition import Backfill, named_backfills

# Why there is nothing to try again.
_NOT_FAILED = {None: "was never run: there is nothing to try again", Outcome.DONE: "is done"}
_GOES_ON = "has not failed: it is running, or was interrupted, and the next run goes on with it"

log = structlog.stdlib.get_logger(__name__)


class NothingToControlError(DatabaseError):
    """The backfill is not in the state that the command would end."""


def pause(config: MigratorConfig, names: Sequence[str]) -> None:
    """Have every process stop these backfills after the batch under way, and none run them until they are resumed.

    Raises UnknownBackfillError, NothingToControlError for one that is done, and DatabaseUnreachableError.
    """

    def work(connection: Connection, backfill: Backfill) -> str | None:
        return None if records.pause(connection, backfill, config.release) else "is done: there is nothing to pause"

    _change(config, names, work, "paused a backfill")


def resume(config: MigratorConfig, names: Sequence[str]) -> None:
    """Let these backfills run again; it starts none. Raises what `pause` raises, for one that is not paused."""

    def work(connection: Connection, backfill: Backfill) -> str | None:
        return None if records.resume(connection, backfill.name) else "is not paused"

    _change(config, names, work, "a backfill may run again")


def retry(config: MigratorConfig, names: Sequence[str]) -> None:
    """Let `watch` run these backfills again, which have failed. Raises what `pause` raises, for one that has not."""

    def work(connection: Connection, backfill: Backfill) -> str | None:
        outcome = records.retry(connection, backfill.name)
        return None if outcome is Outcome.FAILED else _NOT_FAILED.get(outcome, _GOES_ON)

    _change(config, names, work, "a backfill is to be tried again")


def _change(
    config: MigratorConfig, names: Sequence[str], work: Callable[[Connection, Backfill], str | None], event: str
) -> None:
    """Do the work for each backfill, in one transaction; it returns what keeps it from that. Log the event."""
    chosen = named_backfills(load_revisions(config), names)

    def change(connection: Connection) -> None:
        with connection.begin():
            for backfill in chosen:
                if problem := work(connection, backfill):
                    raise NothingToControlError(f"Backfill {backfill.name} {problem}.")

    async def connect() -> None:
        async with open_connection(url, config.connect_timeout, config.application) as connection:
            await connection.run_sync(require_writable)
            # As long as a batch, which holds the record, may take.
            async with limit_lock_waits(connection, config.statement_timeout):
                await connection.run_sync(change)

    with config.open_database() as url:
        asyncio.run(connect())
    for backfill in chosen:
        log.info(event, backfill=backfill.name)
