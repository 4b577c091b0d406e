"""Answers to requests with an `Idempotency-Key`, which are kept for a while.

app/api/http/idempotency.py decides to whom an answer is replayed.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import IdempotentResponse
from app.repositories.idempotency import IdempotencyRepository


class IdempotencyService:
    """The kept answer to one caller's requests with one key."""

    def __init__(self, session: AsyncSession, caller_id: UUID, key_hash: bytes) -> None:
        self._repository = IdempotencyRepository(session=session)
        self._key = (caller_id, key_hash)

    async def claim(self) -> bool:
        """Return whether no other request has the key, now and until the transaction ends."""
        return await self._repository.claim(*self._key)

    async def get_kept_or_none(self) -> IdempotentResponse | None:
        return await self._repository.get_kept_or_none(*self._key)

    async def keep(self, request_hash: bytes, response: bytes) -> None:
        """Keep an answer in place of a former one."""
        await self._repository.keep(*self._key, request_hash, response)
