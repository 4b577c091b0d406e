"""What the tasks of a board have in its custom fields."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequestError, FieldProblem
from app.core.field_values import UnfitValueError, normalize_value
from app.models import CustomField
from app.repositories.custom_fields import CustomValueRepository

# Bytes of JSON. A page has up to 200 tasks, each with all of its values.
MAX_OF_TASK = 65_536
_POINTER = "/custom_field_values"


class CustomValues:
    """Whoever sets some holds the definitions that they follow, until they are committed."""

    def __init__(self, session: AsyncSession, board_id: UUID) -> None:
        self._board_id = board_id
        self._values = CustomValueRepository(session)

    async def of(self, task_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        """Every field of the board, null where a task has nothing; in one statement however many they are."""
        return await self._values.of_tasks(self._board_id, task_ids)

    async def fill(self, task_id: UUID, sent: Mapping[str, object]) -> dict[str, Any]:
        """Of a new task: what was sent, and the defaults of the fields that were not; as `of` has them.

        Raises BadRequestError.
        """
        fields = await self._values.fields(self._board_id)
        defaults = {field.field_key: field.default_value for field in fields}
        filled = _fitting(fields, {**defaults, **sent}, {})
        await self._values.put(task_id, [(field, value) for field, value in filled if value is not None])
        return {field.field_key: value for field, value in filled}

    async def change(self, task_id: UUID, sent: Mapping[str, object]) -> None:
        """Those that were sent; null clears one. The caller has the board's lock. Raises BadRequestError."""
        fields = await self._values.fields(self._board_id)
        before = (await self.of([task_id]))[task_id]
        changed = _fitting(fields, sent, before)
        await self._values.put(task_id, changed)


def _fitting(
    fields: Sequence[CustomField], values: Mapping[str, object], before: Mapping[str, object]
) -> list[tuple[CustomField, object]]:
    """The values as they are kept, with their fields; null where there is none. Raises BadRequestError."""
    _require_small({**before, **values})
    known = {field.field_key: field for field in fields}
    kept: list[tuple[CustomField, object]] = []
    problems: list[FieldProblem] = []
    for key, value in values.items():
        try:
            field = _known(known, key)
            kept.append((field, _kept(field, value)))
        except UnfitValueError as exc:
            problems.append(FieldProblem(f"{_POINTER}/{_escaped(key)}", str(exc)))
    if problems:
        raise BadRequestError(errors=tuple(problems))
    return kept


def _known(fields: Mapping[str, CustomField], key: str) -> CustomField:
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
    """Before anything is made of them. What is kept may be a few bytes longer than what was sent."""
    if len(msgspec.json.encode(values)) > MAX_OF_TASK:
        detail = f"The values of a task take at most {MAX_OF_TASK} bytes of JSON together."
        raise BadRequestError(errors=(FieldProblem(_POINTER, detail),))


def _escaped(key: str) -> str:
    """As part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
