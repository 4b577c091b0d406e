"""A transaction apart from the request's: it counts what must be counted although the request fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar.types import Scope
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.core.errors import AppError

FACTORY = "db_session_factory"
"""The key of the request's state under which the middleware puts the maker of sessions."""


@asynccontextmanager
async def separate_transaction(scope: Scope) -> AsyncIterator[AsyncSession]:
    """Run a transaction apart from the request's. It is committed whatever the request does, and on an AppError too.

    Use it before the request's first statement: a request that holds one connection must not wait for another.
    """
    factory: async_sessionmaker[AsyncSession] = scope["state"][FACTORY]
    async with factory() as session:
        try:
            yield session
        except AppError:
            await session.commit()
            raise
        await session.commit()
