"""One connection to the database that is to be migrated, for a command that only reads."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from ..postgres.connect import open_connection
from ..postgres.url.database_url import DatabaseURL
from .config import MigratorConfig
from .locking.deadline import Deadline
from .locking.table_locks import read_when_unlocked

T = TypeVar("T")


def with_readonly_connection(
    config: MigratorConfig,
    read: Callable[[Connection, DatabaseURL], T],
    *,
    wait: float = 0,
    lock_timeout: float | None = None,
) -> T:
    """Return what `read` returns for a connection, which is then rolled back and closed.

    `read` is called again for `wait` seconds while somebody holds a table that it needs; `lock_timeout`, in seconds, is
    how long each attempt waits for one, instead of the configuration's. Do not call this in a thread that runs an event
    loop. Raises DatabaseUnreachableError and TableLockedError.
    """
    with config.open_database() as url:
        return asyncio.run(_open_and_read(config, url, read, wait, lock_timeout or config.lock_timeout))


async def _open_and_read(
    config: MigratorConfig,
    url: DatabaseURL,
    read: Callable[[Connection, DatabaseURL], T],
    wait: float,
    lock_timeout: float,
) -> T:
    async with open_connection(url, config.connect_timeout, config.application) as connection:
        return await read_when_unlocked(connection, Deadline(wait), lock_timeout, read, url)
