"""Run the backfills that are due, one after the other, and wait for further ones: a process of its own.

A backfill is due once its revision is applied, until it is done, unless it has failed or is paused. Several processes
may watch at once: they take turns, as any runs of the same backfill do.
"""

import asyncio

import structlog
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from ...postgres.connect import is_lost, open_connection
from ...postgres.errors import DatabaseError, error_summary
from ...postgres.url.database_url import DatabaseURL
from ..config import MigratorConfig
from ..revisions.loading import load_revisions
from ..signals import InterruptedBySignalError, cancel_on_signals
from .definition import load_backfills
from .executor import Report, run_one
from .runs import read_current_statuses
from .status import BackfillState
from .throttle import Throttle

# Seconds between two looks at what is due.
_POLL = 5.0
_DUE = frozenset({BackfillState.PENDING, BackfillState.UNFINISHED})

log = structlog.stdlib.get_logger(__name__)


def watch(config: MigratorConfig, throttle: Throttle, report: Report, poll: float = _POLL) -> None:
    """Run what is due, and look for more every `poll` seconds, until SIGINT or SIGTERM, which roll the batch back.

    A database that cannot be reached is tried again. A backfill that fails is left alone until somebody retries it. Do
    not call this in a thread that runs an event loop. Raises MigrationFailedError where a file is wrong.
    """
    directory = load_revisions(config)
    with config.open_database() as url:
        try:
            asyncio.run(Watcher(config, url, directory, throttle, report).watch(poll))
        except InterruptedBySignalError:
            log.info("stopped watching: what was done stays")


class Watcher:
    """The watching of one process, over a connection for each look."""

    def __init__(
        self, config: MigratorConfig, url: DatabaseURL, directory: ScriptDirectory, throttle: Throttle, report: Report
    ) -> None:
        self._config = config
        self._url = url
        self._directory = directory
        self._throttle = throttle
        self._report = report
        # The last trouble with each backfill, and with the database (""): it is told once, not at every look.
        self._told: dict[str, str] = {}

    async def watch(self, poll: float) -> None:
        log.info("watching for backfills that are due")
        with cancel_on_signals():
            while True:
                try:
                    await self._run_due()
                    self._told.pop("", None)
                except (DatabaseError, DBAPIError, OSError) as exc:
                    if not isinstance(exc, DatabaseError) and not is_lost(exc):
                        raise
                    self._tell("", "backfills cannot be looked for: trying again", exc)
                await asyncio.sleep(poll)

    async def _run_due(self) -> None:
        known = load_backfills(self._directory)
        async with open_connection(self._url, self._config.connect_timeout, self._config.application) as connection:
            for status in await read_current_statuses(connection, self._config, self._directory):
                if status.state not in _DUE:
                    continue
                try:
                    # It may have failed meanwhile, in another process.
                    await run_one(
                        connection,
                        self._config,
                        known[status.name],
                        self._throttle,
                        self._report,
                        retries_failed=False,
                    )
                    self._told.pop(status.name, None)
                except DatabaseError as exc:
                    self._tell(status.name, "a backfill did not end", exc, backfill=status.name)

    def _tell(self, key: str, event: str, exc: Exception, **named: str) -> None:
        reason = error_summary(exc)
        if self._told.get(key) != reason:
            self._told[key] = reason
            log.warning(event, reason=reason, **named)
