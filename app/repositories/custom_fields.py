"""Custom fields, the boards whose tasks have them, and the values that tasks have in them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import and_, any_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows
from app.models import CustomField, CustomFieldBoard, CustomFieldValue
from app.repositories.access import AccessScope
from app.repositories.base import ConstraintErrors, Repository

_BATCH = 500
_VALUES_OF_TASKS = PreparedStatement(
    select(CustomField.field_key, CustomFieldValue.task_id, CustomFieldValue.value)
    .join(CustomFieldBoard, CustomFieldBoard.custom_field_id == CustomField.id)
    .outerjoin(
        CustomFieldValue,
        and_(
            CustomFieldValue.custom_field_id == CustomField.id,
            CustomFieldValue.task_id == any_(bindparam("task_ids")),
        ),
    )
    .where(CustomFieldBoard.board_id == bindparam("board_id"))
    .order_by(CustomField.field_key)
)
_LOCK_FIELDS_OF_BOARD = PreparedStatement(
    select(*CustomField.__table__.c)
    .join(CustomFieldBoard, CustomFieldBoard.custom_field_id == CustomField.id)
    .where(CustomFieldBoard.board_id == bindparam("board_id"))
    # As a task is read: the answer to a new one has them in this order.
    .order_by(CustomField.field_key)
    # The field first, as a request does that takes it off a board.
    .with_for_update(read=True)
)


class FieldKeyTakenError(ConflictError):
    code = "field_key_taken"
    default_detail = "Another custom field of this organization has this key."


class CustomFieldRepository(Repository[CustomField]):
    model_type = CustomField
    constraint_errors: ClassVar[ConstraintErrors] = {"uq_custom_fields_organization_id_field_key": FieldKeyTakenError}

    async def list_readable(self, access: AccessScope, field_id: UUID | None = None) -> Sequence[CustomField]:
        """Return the fields of boards that the caller may read, oldest first; with `field_id` that one alone.

        A caller who may read all boards also has the fields of no board.
        """
        statement = select(CustomField).where(CustomField.organization_id == access.organization_id)
        if field_id is not None:
            statement = statement.where(CustomField.id == field_id)
        if not access.reads_all:
            on_board = CustomFieldBoard.custom_field_id == CustomField.id, access.readable(CustomFieldBoard.board_id)
            statement = statement.where(select(CustomFieldBoard.board_id).where(*on_board).exists())
        return (await self.session.scalars(statement.order_by(CustomField.created_at, CustomField.id))).all()

    async def board_ids(self, access: AccessScope, field_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
        """Return the boards of each field that the caller may read; a field without any is left out."""
        found: dict[UUID, list[UUID]] = defaultdict(list)
        statement = (
            select(CustomFieldBoard.custom_field_id, CustomFieldBoard.board_id)
            .where(CustomFieldBoard.custom_field_id.in_(field_ids), access.readable(CustomFieldBoard.board_id))
            .order_by(CustomFieldBoard.board_id)
        )
        for field_id, board_id in await self.session.execute(statement):
            found[field_id].append(board_id)
        return found

    async def replace_boards(self, field: CustomField, board_ids: Collection[UUID]) -> None:
        """Have the tasks of these boards have the field, and no others."""
        others = CustomFieldBoard.custom_field_id == field.id, CustomFieldBoard.board_id.not_in(board_ids)
        await self.session.execute(delete(CustomFieldBoard).where(*others))
        common = {"organization_id": field.organization_id, "custom_field_id": field.id}
        rows = [{**common, "board_id": board_id} for board_id in board_ids]
        await self.session.execute(insert(CustomFieldBoard).values(rows).on_conflict_do_nothing())

    async def stream_values(self, field_id: UUID) -> AsyncIterator[object]:
        """Yield the values that tasks have in the field, also on boards that do not have it any more."""
        statement = select(CustomFieldValue.value).where(CustomFieldValue.custom_field_id == field_id)
        found = await self.session.stream_scalars(statement, execution_options={"yield_per": _BATCH})
        async for value in found:
            yield value


class CustomFieldValueRepository:
    """The values that tasks have in custom fields: prepared, since every task that is read has them."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def lock_fields(self, board_id: UUID) -> Sequence[CustomField]:
        """Return rows of the board's fields, by key; they stay as they are until the transaction ends."""
        return await execute_prepared(self._session, _LOCK_FIELDS_OF_BOARD, board_id=board_id)

    async def values_of_tasks(self, board_id: UUID, task_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """Return the value of each of the board's tasks in every field, by key, in one statement."""
        unset: dict[str, Any] = {}
        found: dict[UUID, dict[str, Any]] = defaultdict(dict)
        for key, task_id, value in await fetch_rows(
            self._session, _VALUES_OF_TASKS, board_id=board_id, task_ids=task_ids
        ):
            unset[key] = None
            if task_id is not None:
                found[task_id][key] = value
        return {task_id: unset | found.get(task_id, {}) for task_id in task_ids}

    async def set_values(self, task_id: UUID, values: Sequence[tuple[CustomField, object]]) -> None:
        """Set the task's values in these fields; None clears one. Values in other fields stay."""
        cleared = [field.id for field, value in values if value is None]
        if cleared:
            gone = CustomFieldValue.task_id == task_id, CustomFieldValue.custom_field_id.in_(cleared)
            await self._session.execute(delete(CustomFieldValue).where(*gone))
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
