"""What our repositories have beyond Advanced Alchemy's."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.repository.typing import ModelT
from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, delete, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.core.errors import NotFoundError
from app.db.request.prepared import AnySession


def is_one_of(
    column: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None], ids: Collection[UUID]
) -> ColumnElement[bool]:
    """As `in_`, with one parameter, an array: a statement takes no more than 32,767."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


async def hold_row(session: AsyncSession, model: type[ModelT], row_id: UUID) -> None:
    """Reads the row anew, and keeps others from changing it until the transaction ends."""
    key = model.__mapper__.primary_key[0]
    statement = select(model).where(key == row_id).with_for_update(key_share=True)
    await session.execute(statement.execution_options(populate_existing=True))


class Repository(SQLAlchemyAsyncRepository[ModelT]):
    """What Advanced Alchemy works out for an instance is the same for all of its class: it is worked out once."""

    _worked_out: ClassVar[dict[type, dict[str, Any]]] = {}

    def __init__(self, *, session: AnySession) -> None:
        known = self._worked_out.get(type(self))
        if known is None:
            super().__init__(session=session)
            self._worked_out[type(self)] = {name: value for name, value in vars(self).items() if name != "session"}
        else:
            vars(self).update(known)
            self.session = session

    async def of_ids(self, ids: Iterable[UUID | None]) -> dict[UUID | None, ModelT]:
        """Those of these rows that are there, by their ids; in one statement. None is no id."""
        wanted = list({id_ for id_ in ids if id_ is not None})
        if not wanted:
            return {}
        key = getattr(self.model_type, self.id_attribute)
        rows = await self.session.scalars(select(self.model_type).where(is_one_of(key, wanted)))
        return {getattr(row, self.id_attribute): row for row in rows}

    async def remove(self, item_id: UUID) -> None:
        """Deletes the row, and the database what hangs on it. Raises NotFoundError where another request just did.

        `delete` would read the row once more, and could not tell that it was gone by then.
        """
        key = getattr(self.model_type, self.id_attribute)
        statement = delete(self.model_type).where(key == item_id).returning(key)
        if (await self.session.scalars(statement)).one_or_none() is None:
            raise NotFoundError
