"""Custom fields, the boards whose tasks have them, and what tasks have in them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows
from app.models import CustomField, CustomFieldBoard, CustomFieldValue
from app.repositories.access import AccessScope
from app.repositories.base import Repository
from app.repositories.constraints import translating

_BATCH = 500


class FieldKeyTakenError(ConflictError):
    code = "field_key_taken"
    default_detail = "Another custom field of this organization has this key."


class CustomFieldRepository(Repository[CustomField]):
    model_type = CustomField

    async def store(self, field: CustomField) -> CustomField:
        """Raises FieldKeyTakenError."""
        with translating("uq_custom_fields_organization_id_field_key", FieldKeyTakenError):
            self.session.add(field)
            await self.session.flush()
        return field

    async def readable(self, access: AccessScope, field_id: UUID | None = None) -> Sequence[CustomField]:
        """The fields of boards that the caller may read, oldest first; whoever may read all also those of no board.

        With `field_id` that one alone.
        """
        statement = select(CustomField).where(CustomField.organization_id == access.organization_id)
        if field_id is not None:
            statement = statement.where(CustomField.id == field_id)
        if not access.reads_all:
            on_it = CustomFieldBoard.custom_field_id == CustomField.id, access.readable(CustomFieldBoard.board_id)
            statement = statement.where(select(CustomFieldBoard.board_id).where(*on_it).exists())
        return (await self.session.scalars(statement.order_by(CustomField.created_at, CustomField.id))).all()

    async def board_ids(self, access: AccessScope, field_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        """The boards of each of these fields that the caller may read; a field without any is left out."""
        found: dict[UUID, list[UUID]] = defaultdict(list)
        statement = (
            select(CustomFieldBoard.custom_field_id, CustomFieldBoard.board_id)
            .where(CustomFieldBoard.custom_field_id.in_(field_ids), access.readable(CustomFieldBoard.board_id))
            .order_by(CustomFieldBoard.board_id)
        )
        for field_id, board_id in await self.session.execute(statement):
            found[field_id].append(board_id)
        return found

    async def in_organization(self, organization_id: UUID) -> int:
        statement = select(func.count()).where(CustomField.organization_id == organization_id)
        return await self.session.scalar(statement) or 0

    async def hold(self, organization_id: UUID, field_id: UUID) -> CustomField | None:
        """The field to be changed; until the transaction ends, no task gets or loses a value of it."""
        statement = (
            select(CustomField)
            .where(CustomField.organization_id == organization_id, CustomField.id == field_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def replace_boards(self, field: CustomField, board_ids: Collection[UUID]) -> None:
        of_it = CustomFieldBoard.custom_field_id == field.id
        await self.session.execute(delete(CustomFieldBoard).where(of_it, CustomFieldBoard.board_id.not_in(board_ids)))
        same = {"organization_id": field.organization_id, "custom_field_id": field.id}
        rows = [{**same, "board_id": board_id} for board_id in board_ids]
        await self.session.execute(insert(CustomFieldBoard).values(rows).on_conflict_do_nothing())

    async def values(self, field_id: UUID) -> AsyncIterator[object]:
        """What tasks have in it, a batch at a time; also those of boards that it was taken off."""
        statement = select(CustomFieldValue.value).where(CustomFieldValue.custom_field_id == field_id)
        found = await self.session.stream_scalars(statement, execution_options={"yield_per": _BATCH})
        async for value in found:
            yield value


_OF_TASKS = PreparedStatement(
    select(CustomField.field_key, CustomFieldValue.task_id, CustomFieldValue.value)
    .join(CustomFieldBoard, CustomFieldBoard.custom_field_id == CustomField.id)
    .outerjoin(
        CustomFieldValue,
        and_(
            CustomFieldValue.custom_field_id == CustomField.id,
            CustomFieldValue.task_id == any_(bindparam("task_ids", type_=ARRAY(Uuid))),
        ),
    )
    .where(CustomFieldBoard.board_id == bindparam("board_id"))
    .order_by(CustomField.field_key)
)


_HELD = PreparedStatement(
    select(*CustomField.__table__.c)
    .join(CustomFieldBoard, CustomFieldBoard.custom_field_id == CustomField.id)
    .where(CustomFieldBoard.board_id == bindparam("board_id"))
    # In one order, so that two requests do not wait for each other.
    .order_by(CustomField.field_key)
    # The field first, as whoever takes it off a board does.
    .with_for_update(read=True, of=(CustomField, CustomFieldBoard))
)


class CustomValueRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def fields(self, board_id: UUID) -> Sequence[CustomField]:
        """Rows of what the board's tasks have, by key; until the transaction ends, these fields stay as they are."""
        return await execute_prepared(self._session, _HELD, board_id=board_id)

    async def of_tasks(self, board_id: UUID, task_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """Every field of the board with what each of its tasks has in it, by key; in one statement."""
        unset: dict[str, Any] = {}
        found: dict[UUID, dict[str, Any]] = defaultdict(dict)
        for key, task_id, value in await fetch_rows(self._session, _OF_TASKS, board_id=board_id, task_ids=task_ids):
            unset[key] = None
            if task_id is not None:
                found[task_id][key] = value
        return {task_id: unset | found.get(task_id, {}) for task_id in task_ids}

    async def put(self, task_id: UUID, values: Sequence[tuple[CustomField, object]]) -> None:
        """Sets what the task has in these fields; None clears one. The rest stay."""
        gone = [field.id for field, value in values if value is None]
        if gone:
            those = CustomFieldValue.task_id == task_id, CustomFieldValue.custom_field_id.in_(gone)
            await self._session.execute(delete(CustomFieldValue).where(*those))
        rows = [
            {
                "organization_id": field.organization_id,
                "task_id": task_id,
                "custom_field_id": field.id,
                "value": value,
            }
            for field, value in values
            if value is not None
        ]
        if rows:
            given = insert(CustomFieldValue).values(rows)
            keys = [CustomFieldValue.task_id, CustomFieldValue.custom_field_id]
            await self._session.execute(
                given.on_conflict_do_update(index_elements=keys, set_={"value": given.excluded.value})
            )
