"""One connection to the database that is to be migrated, for a command that looks at it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from app.core.config import Settings
from app.db.database import open_migration_database
from app.migrator.session.table_locks import read_once_free
from app.postgres.connect import open_connection
from app.postgres.url.database_url import DatabaseURL

T = TypeVar("T")


def look(settings: Settings, at: Callable[[Connection, DatabaseURL], T], *, wait: float = 0) -> T:
    """What `at` makes of a connection, which is rolled back and closed after it.

    For `wait` seconds it is tried again while somebody holds a table that it reads. Not to be called in a thread that
    runs an event loop. Raises DatabaseUnreachableError and TableLockedError.
    """
    with open_migration_database(settings) as url:
        return asyncio.run(_look(settings, url, at, wait))


async def _look(settings: Settings, url: DatabaseURL, at: Callable[[Connection, DatabaseURL], T], wait: float) -> T:
    async with open_connection(url, settings.db_connect_timeout, "plimsoll") as connection:
        return await read_once_free(connection, wait, settings.db_migrate_lock_timeout, at, url)
