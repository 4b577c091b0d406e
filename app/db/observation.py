"""What operators watch of the database, beside the state of its schema: the migration under way, and the partitions."""

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.migrator.locking.table_locks import limit_lock_waits
from app.migrator.partitions.state import PartitionState, read_partitions
from app.migrator.under_way import StepUnderWay, read_step_under_way
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import DatabaseURL

_WITHIN_SECONDS = 2.0
_LOCK_WAIT = 0.5

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Observation:
    """What could be read: somebody may hold a table, and our role may not read each partition."""

    under_way: StepUnderWay | None = None
    partitions: tuple[PartitionState, ...] = ()


class Observer:
    """Reads the observation over a connection of its own. Callers share the read that is under way."""

    def __init__(self, settings: Settings, url: DatabaseURL) -> None:
        self.url = url
        self._engine = create_unpooled_engine(url, _WITHIN_SECONDS)
        self._config = migrator_config(settings)
        self._running: asyncio.Task[Observation] | None = None

    async def read(self) -> Observation:
        """Return what there is to be seen within 2 s."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._read())
        read = self._running
        # Not wait_for(), which also waits for the cancelled connection to be closed.
        done, _ = await asyncio.wait({read}, timeout=_WITHIN_SECONDS)
        if not done:
            read.cancel()
            return Observation()
        return Observation() if read.cancelled() else read.result()

    async def _read(self) -> Observation:
        under_way: StepUnderWay | None = None
        partitions: tuple[PartitionState, ...] = ()
        try:
            async with self._engine.connect() as connection:
                async with limit_lock_waits(connection, _LOCK_WAIT):
                    under_way = await connection.run_sync(read_step_under_way)
                await connection.rollback()
                async with limit_lock_waits(connection, _LOCK_WAIT):
                    partitions = tuple(await connection.run_sync(read_partitions, self._config))
        except (OSError, DBAPIError, MigrationFailedError) as exc:
            log.debug("not all could be observed", error=type(exc).__name__)
        return Observation(under_way, partitions)
