"""Answers that are kept for a while, so that a request that is sent again is not carried out again."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.models import IdempotentResponse
from app.repositories.base import Repository

KEPT_FOR = timedelta(hours=24)
# Older answers are deleted, some of them whenever a new one is kept.
_DELETED_AT_ONCE = 20
_LOCK_BYTES = 8


class IdempotencyRepository(Repository[IdempotentResponse]):
    model_type = IdempotentResponse

    async def claim(self, caller_id: UUID, key_hash: bytes) -> bool:
        """Return whether no other request of this caller has this key, now and until the transaction ends."""
        number = int.from_bytes(key_hash[:_LOCK_BYTES], signed=True) ^ (caller_id.int & (2**63 - 1))
        return bool(await self.session.scalar(select(func.pg_try_advisory_xact_lock(number))))

    async def get_kept_or_none(self, caller_id: UUID, key_hash: bytes) -> IdempotentResponse | None:
        is_kept = IdempotentResponse.created_at > func.now() - KEPT_FOR
        return await self.get_one_or_none(is_kept, caller_id=caller_id, key_hash=key_hash)

    async def keep(self, caller_id: UUID, key_hash: bytes, request_hash: bytes, response: bytes) -> None:
        """Keep the answer in place of a former one, and delete some that are too old."""
        values = {"request_hash": request_hash, "response": response, "created_at": func.now()}
        statement = insert(IdempotentResponse).values(caller_id=caller_id, key_hash=key_hash, **values)
        keys = [IdempotentResponse.caller_id, IdempotentResponse.key_hash]
        await self.session.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
        old = (
            select(*keys)
            .where(IdempotentResponse.created_at < func.now() - KEPT_FOR)
            .limit(_DELETED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await self.session.execute(delete(IdempotentResponse).where(tuple_(*keys).in_(old)))
