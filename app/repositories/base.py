"""The base of all repositories: Advanced Alchemy's, with one statement where it would send two."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.repository.typing import ModelT, PrimaryKeyType
from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, bindparam, delete, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.core.errors import AppError, NotFoundError
from app.db.request.prepared import AnySession
from app.repositories.constraints import translating

RowT = TypeVar("RowT")
# The name of a constraint -> the error for what breaks it.
ConstraintErrors = Mapping[str, type[AppError]]
# Has the session's row, if there is one, hold what is read.
REREAD = {"populate_existing": True}


def is_one_of(
    column: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None], ids: Collection[UUID]
) -> ColumnElement[bool]:
    """Return what `in_` does, with one parameter, an array: a statement takes no more than 32,767."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


@cache
def _select(model: type[ModelT]) -> Select[tuple[ModelT]]:
    return select(model)


@cache
def _select_for_change(model: type[ModelT], *names: str) -> Select[tuple[ModelT]]:
    """Select the row with these columns' values, to be locked; built once, since most changes lock a row."""
    columns = model.__table__.c
    statement: Any = select(model).where(*(columns[name] == bindparam(name) for name in names))
    # Rows that refer to the locked one can be added all the same (FOR NO KEY UPDATE).
    prepared: Select[tuple[ModelT]] = statement.with_for_update(key_share=True).execution_options(**REREAD)
    return prepared


class Repository(SQLAlchemyAsyncRepository[ModelT]):
    """The rows of a table, by Advanced Alchemy's methods (`get`, `get_one`, `add`, `update`, `delete`, `count`).

    A row that is missing is the application's NotFoundError; a broken constraint, the error that `constraint_errors`
    has for it. Nothing is read again after it was written: the models make the values that the database would make.
    To make a repository takes 4 µs, for which services make one where it is first used.
    """

    constraint_errors: ClassVar[ConstraintErrors] = {}

    def __init__(self, *, session: AnySession) -> None:
        super().__init__(session=session, statement=_select(self.model_type), auto_refresh=False, wrap_exceptions=False)

    @staticmethod
    def check_not_found(item_or_none: RowT | None) -> RowT:
        if item_or_none is None:
            raise NotFoundError
        return item_or_none

    async def add(self, data: ModelT, **options: Any) -> ModelT:  # noqa: ANN401 - Advanced Alchemy's
        with translating(self.constraint_errors):
            return await super().add(data, **options)

    async def update(self, data: ModelT, **options: Any) -> ModelT:  # noqa: ANN401 - Advanced Alchemy's
        """Store the changes of a row that the session holds, without reading it again."""
        if data not in self.session:
            return await super().update(data, **options)
        with translating(self.constraint_errors):
            await self.session.flush()
        return data

    async def delete(self, item_id: PrimaryKeyType, **options: Any) -> ModelT:  # noqa: ANN401 - Advanced Alchemy's
        """Delete the row without reading it before. Raises NotFoundError where another request just did."""
        if options:
            return await super().delete(item_id, **options)
        return self.check_not_found(next(iter(await self.delete_many([item_id])), None))

    async def delete_many(self, item_ids: list[Any], **options: Any) -> Sequence[ModelT]:  # noqa: ANN401
        """Delete the rows, and return those that were there, without reading them before."""
        if options:
            return await super().delete_many(item_ids, **options)
        key = getattr(self.model_type, self.id_attribute)
        statement = delete(self.model_type).where(is_one_of(key, item_ids)).returning(self.model_type)
        return (await self.session.scalars(statement)).all()

    async def lock(self, **key: Any) -> ModelT:  # noqa: ANN401 - values of columns
        """Return the row as it is now; nobody else changes it until the transaction ends. Raises NotFoundError."""
        found: ModelT | None = (
            await self.session.scalars(_select_for_change(self.model_type, *key), key)
        ).one_or_none()
        return self.check_not_found(found)

    async def get_by_ids(self, ids: Iterable[UUID | None]) -> dict[UUID | None, ModelT]:
        """Return those of these rows that are there, by their ids, in one statement. None is no id."""
        wanted = list({id_ for id_ in ids if id_ is not None})
        if not wanted:
            return {}
        key = getattr(self.model_type, self.id_attribute)
        rows = await self.session.scalars(select(self.model_type).where(is_one_of(key, wanted)))
        return {getattr(row, self.id_attribute): row for row in rows}


async def lock_row(session: AsyncSession, model: type[ModelT], row_id: UUID) -> None:
    """Read the row of any table anew; nobody else changes it until the transaction ends."""
    key = model.__mapper__.primary_key[0]
    statement = select(model).where(key == row_id).with_for_update(key_share=True)
    await session.execute(statement.execution_options(**REREAD))
