"""The values that the tasks of a board have in its custom fields."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.custom_field_values import UnfitValueError, normalize_value
from app.core.errors import BadRequestError, FieldProblem
from app.models import CustomField
from app.repositories.custom_fields import CustomFieldValueRepository

# Bytes of JSON. A page has up to 200 tasks, each with all of its values.
MAX_OF_TASK = 65_536
_POINTER = "/custom_field_values"


class CustomFieldValueService:
    """The values of tasks. Setting some locks the definitions that they follow until the transaction ends."""

    def __init__(self, session: AsyncSession) -> None:
        self._values = CustomFieldValueRepository(session=session)

    async def values_of_tasks(self, board_id: UUID, task_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """Return each task's value in every field of the board, None where it has none; in one statement."""
        return await self._values.values_of_tasks(board_id, task_ids)

    async def fill(self, board_id: UUID, task_id: UUID, sent: Mapping[str, object]) -> dict[str, Any]:
        """Set the values of a new task: those that were sent, and the defaults of the other fields; return them.

        Raises BadRequestError.
        """
        fields = await self._values.lock_fields(board_id)
        defaults = {field.field_key: field.default_value for field in fields}
        filled = _fitting(fields, {**defaults, **sent}, {})
        await self._values.set_values(task_id, [(field, value) for field, value in filled if value is not None])
        return {field.field_key: value for field, value in filled}

    async def change(self, board_id: UUID, task_id: UUID, sent: Mapping[str, object]) -> None:
        """Set the values that were sent; None clears one. The board is locked. Raises BadRequestError."""
        fields = await self._values.lock_fields(board_id)
        before = (await self.values_of_tasks(board_id, [task_id]))[task_id]
        await self._values.set_values(task_id, _fitting(fields, sent, before))


def _fitting(
    fields: Sequence[CustomField], values: Mapping[str, object], before: Mapping[str, object]
) -> list[tuple[CustomField, object]]:
    """Return the values as they are kept, with their fields; None where there is none. Raises BadRequestError."""
    _require_small({**before, **values})
    known = {field.field_key: field for field in fields}
    kept: list[tuple[CustomField, object]] = []
    problems: list[FieldProblem] = []
    for key, value in values.items():
        try:
            field = _require_field(known, key)
            kept.append((field, _kept(field, value)))
        except UnfitValueError as exc:
            problems.append(FieldProblem(f"{_POINTER}/{_escaped(key)}", str(exc)))
    if problems:
        raise BadRequestError(errors=tuple(problems))
    return kept


def _require_field(fields: Mapping[str, CustomField], key: str) -> CustomField:
    if key not in fields:
        raise UnfitValueError("This board has no such custom field.")
    return fields[key]


def _kept(field: CustomField, value: object) -> object:
    if value is not None:
        return normalize_value(field.field_type, field.validation_regex, value)
    if field.required:
        raise UnfitValueError("This field is required.")
    return None


def _require_small(values: Mapping[str, object]) -> None:
    """Raise BadRequestError where they are too long as they were sent; what is kept may be a few bytes longer."""
    if len(msgspec.json.encode(values)) > MAX_OF_TASK:
        detail = f"The values of a task take at most {MAX_OF_TASK} bytes of JSON together."
        raise BadRequestError(errors=(FieldProblem(_POINTER, detail),))


def _escaped(key: str) -> str:
    """Return the key as part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
