"""Answers that are kept for a while, so that a request that is sent again is not carried out again."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import IdempotentResponse

KEPT_FOR = timedelta(hours=24)
# What is older goes, some of it whenever something new is kept.
_FORGET_AT_ONCE = 20
_LOCK_BYTES = 8


class IdempotencyRepository:
    def __init__(self, session: AsyncSession, caller_id: UUID, key_hash: bytes) -> None:
        self._session = session
        self._caller_id = caller_id
        self._key_hash = key_hash

    async def claim(self) -> bool:
        """Whether no other request of this caller has this key, now and until the transaction ends."""
        number = int.from_bytes(self._key_hash[:_LOCK_BYTES], signed=True) ^ (self._caller_id.int & (2**63 - 1))
        return bool(await self._session.scalar(select(func.pg_try_advisory_xact_lock(number))))

    async def find(self) -> IdempotentResponse | None:
        statement = select(IdempotentResponse).where(
            IdempotentResponse.caller_id == self._caller_id,
            IdempotentResponse.key_hash == self._key_hash,
            IdempotentResponse.created_at > func.now() - KEPT_FOR,
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def keep(self, request_hash: bytes, response: bytes) -> None:
        values = {"request_hash": request_hash, "response": response, "created_at": func.now()}
        statement = insert(IdempotentResponse).values(caller_id=self._caller_id, key_hash=self._key_hash, **values)
        keys = [IdempotentResponse.caller_id, IdempotentResponse.key_hash]
        await self._session.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
        place = tuple_(*keys)
        old = (
            select(*keys)
            .where(IdempotentResponse.created_at < func.now() - KEPT_FOR)
            .limit(_FORGET_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await self._session.execute(delete(IdempotentResponse).where(place.in_(old)))
