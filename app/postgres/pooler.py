"""Recognize a pooler that gives every transaction another session, as PgBouncer does in transaction mode."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SESSION = text("SELECT pg_backend_pid()")


async def is_pooled(connection: AsyncConnection) -> bool:
    """Return whether another client's transaction moves ours to another session, or takes over ours."""
    ours = await connection.scalar(_SESSION)
    await connection.rollback()
    async with connection.engine.connect() as other:
        theirs = await other.scalar(_SESSION)
        again = await connection.scalar(_SESSION)
        await connection.rollback()
    return bool(theirs == ours or again != ours)
