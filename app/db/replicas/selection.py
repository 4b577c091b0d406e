"""All read replicas of a process, and which of them a request reads.

A caller who reads a replica sees their own earlier changes, whichever process made them, and nothing older than
DB_REPLICA_MAX_LAG. Both promises are kept by comparing positions in the primary's log, not by clocks.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.asyncio_tasks import finish_or_cancel
from app.core.settings import Settings
from app.db.replicas.replica import Replica
from app.db.replicas.wal_tracker import PrimaryWalTracker
from app.postgres.monitor import EngineOpener
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL, normalize_database_url

_VARIABLE = "DATABASE_REPLICA_URLS"


def replica_urls(settings: Settings) -> tuple[DatabaseURL, ...]:
    """Return the parsed DATABASE_REPLICA_URLS. Raises SettingsError."""
    urls = tuple(normalize_database_url(url.reveal(), _VARIABLE) for url in settings.database_replica_urls)
    for url in urls:
        if not _is_direct(url):
            remedy = "Write postgresql:// and the servers themselves: each is asked how far it has come."
            raise SettingsError(_VARIABLE, "names another driver than asyncpg, or a pooler in transaction mode", remedy)
        if len(url.hosts) > 1:
            remedy = "Write a URL for each replica, with commas between the URLs."
            raise SettingsError(_VARIABLE, "has a URL with several hosts", remedy)
    names = [url.location for url in urls]
    if len(names) > len(set(names)):
        raise SettingsError(_VARIABLE, "names a replica twice", "Name each once: they are read in turn.")
    if urls:
        _check_primary(settings)
    return urls


def _check_primary(settings: Settings) -> None:
    """Check that the primary's URL allows to listen for notifications. Raises SettingsError."""
    name = "DATABASE_URL" if settings.migration_database_url is None else "MIGRATION_DATABASE_URL"
    held = settings.migration_database_url or settings.database_url
    if held is not None and not _is_direct(normalize_database_url(held.reveal(), name)):
        problem = f"names another driver than asyncpg, or a pooler in transaction mode, and {_VARIABLE} is set"
        raise SettingsError(name, problem, "Set MIGRATION_DATABASE_URL to the server itself, by postgresql://.")


def _is_direct(url: DatabaseURL) -> bool:
    return url.is_asyncpg and url.parameters.get("pgbouncer") != "true"


class Replicas:
    """The replicas, and the tracker of the primary's log. `open_primary` connects to the primary past any pooler."""

    def __init__(self, settings: Settings, urls: tuple[DatabaseURL, ...], open_primary: EngineOpener) -> None:
        self.max_lag = settings.db_replica_max_lag
        self.wal_tracker = PrimaryWalTracker(open_primary, self.max_lag)
        self.all = tuple(Replica(settings, url, self.wal_tracker) for url in urls)
        self._rotation = deque(self.all)

    async def choose(self) -> Replica | None:
        """Return the next replica that may be read; None if only the primary may."""
        if any(replica.fault is None for replica in self.all) and await self.wal_tracker.catch_up():
            for _ in self.all:
                self._rotation.rotate(-1)
                if self._rotation[0].fault is None:
                    return self._rotation[0]
        return None

    @asynccontextmanager
    async def monitored(self) -> AsyncIterator[None]:
        """Poll all servers within this context; replicas are read only while they are polled."""
        monitors = (self.wal_tracker, *self.all)
        tasks = [asyncio.create_task(monitor.run()) for monitor in monitors]
        try:
            yield
        finally:
            for monitor in monitors:
                monitor.stop()
            await finish_or_cancel(*tasks)
            for replica in self.all:
                await replica.engine.dispose()
