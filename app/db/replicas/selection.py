"""All read replicas of a process: which of them a request reads.

Whoever reads one has what he was answered before, by whichever process, and nothing that is older than
DB_REPLICA_MAX_LAG. Both are known by positions in the primary's log, never by clocks or by waiting.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.config import Settings
from app.core.tasks import let_end
from app.db.replicas.replica import Replica
from app.db.replicas.wal_tracker import Written
from app.postgres.monitor import Connecting
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL, normalize_database_url

_VARIABLE = "DATABASE_REPLICA_URLS"


def replica_urls(settings: Settings) -> tuple[DatabaseURL, ...]:
    """Raises SettingsError."""
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
    """Whether it can be listened to."""
    name = "DATABASE_URL" if settings.migration_database_url is None else "MIGRATION_DATABASE_URL"
    held = settings.migration_database_url or settings.database_url
    if held is not None and not _is_direct(normalize_database_url(held.reveal(), name)):
        problem = f"names another driver than asyncpg, or a pooler in transaction mode, and {_VARIABLE} is set"
        raise SettingsError(name, problem, "Set MIGRATION_DATABASE_URL to the server itself, by postgresql://.")


def _is_direct(url: DatabaseURL) -> bool:
    return url.is_asyncpg and url.parameters.get("pgbouncer") != "true"


class Replicas:
    """`primary` connects to it past any pooler."""

    def __init__(self, settings: Settings, urls: tuple[DatabaseURL, ...], primary: Connecting) -> None:
        self.max_lag = settings.db_replica_max_lag
        self.written = Written(primary, self.max_lag)
        self.all = tuple(Replica(settings, url, self.written) for url in urls)
        self._in_turn = deque(self.all)

    async def choose(self) -> Replica | None:
        """One that may be asked, in turn; None where that is the primary alone."""
        if any(replica.fault is None for replica in self.all) and await self.written.know():
            for _ in self.all:
                self._in_turn.rotate(-1)
                if self._in_turn[0].fault is None:
                    return self._in_turn[0]
        return None

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """They are read within this context."""
        watches = (self.written, *self.all)
        tasks = [asyncio.create_task(watch.run()) for watch in watches]
        try:
            yield
        finally:
            for watch in watches:
                watch.end()
            await let_end(*tasks)
            for replica in self.all:
                await replica.engine.dispose()
