"""Connect by psycopg, and find out why it could not: libpq says so in words alone, in any language."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from .settings_error import SettingsError


async def connect_psycopg(open_engine: Callable[[], AsyncEngine], *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - psycopg's
    """Connect by psycopg; where that fails, raise its error from the error that an engine of asyncpg meets there."""
    # Imported here because it is an extra.
    import psycopg  # noqa: PLC0415

    try:
        return await psycopg.AsyncConnection.connect(*arguments, **options)
    except psycopg.errors.ConnectionTimeout as exc:
        raise exc from TimeoutError()
    except psycopg.OperationalError as exc:
        raise exc from await _asyncpg_error(open_engine)


async def _asyncpg_error(open_engine: Callable[[], AsyncEngine]) -> Exception | None:
    """Return the error of that engine; None where it connects, or cannot be made from this URL."""
    try:
        async with open_engine().connect():
            return None
    except (DBAPIError, OSError) as exc:
        return exc
    except SettingsError:
        return None
