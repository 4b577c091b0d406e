"""What our repositories have beyond Advanced Alchemy's."""

from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.repository.typing import ModelT
from sqlalchemy import delete

from app.core.errors import NotFoundError


class Repository(SQLAlchemyAsyncRepository[ModelT]):
    async def remove(self, item_id: UUID) -> None:
        """Deletes the row, and the database what hangs on it. Raises NotFoundError where another request just did.

        `delete` would read the row once more, and could not tell that it was gone by then.
        """
        key = getattr(self.model_type, self.id_attribute)
        statement = delete(self.model_type).where(key == item_id).returning(key)
        if (await self.session.scalars(statement)).one_or_none() is None:
            raise NotFoundError
