"""Custom fields: who defines them, and what a change of one may do to the values that tasks have in it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from app.core.custom_field_values import TEXT_TYPES, BadPatternError, UnfitValueError, compile_pattern, normalize_value
from app.core.errors import BadRequestError, ConflictError, FieldProblem, NotFoundError
from app.models import CustomField
from app.repositories.boards import BoardRepository
from app.repositories.custom_fields import CustomFieldRepository
from app.services.base import Service
from app.services.boards import UnknownReferenceError
from app.services.members import MANAGERS, MemberService

# They are listed in one piece, and a task shows all that its board has.
MAX_FIELDS = 100


class FieldInUseError(ConflictError):
    code = "custom_field_in_use"
    default_detail = "Tasks have values in this field that would not fit: change or clear them first."


class TooManyFieldsError(ConflictError):
    code = "too_many_custom_fields"
    default_detail = f"An organization has at most {MAX_FIELDS} custom fields."


class FieldView(NamedTuple):
    """A field, with its boards that the caller may read."""

    field: CustomField
    board_ids: Sequence[UUID]


class CustomFieldService(Service):
    """The fields of the caller's active organization; owners and admins change them, one at a time."""

    async def get(self, field_id: UUID) -> FieldView:
        """Return a field. Raises NotFoundError."""
        if not (found := await self.list(field_id)):
            raise NotFoundError
        return found[0]

    async def list(self, field_id: UUID | None = None) -> Sequence[FieldView]:
        """Return the fields of boards that the caller may read, oldest first; with `field_id` that one alone."""
        fields = await self._fields.list_readable(self._caller.access, field_id)
        boards = await self._fields.board_ids(self._caller.access, [field.id for field in fields])
        return [FieldView(field, boards.get(field.id, ())) for field in fields]

    async def create(self, fields: dict[str, Any]) -> FieldView:
        """Define a field. Raises ForbiddenError, UnknownReferenceError, TooManyFieldsError and FieldKeyTakenError."""
        organization_id = await self._lock_organization()
        if await self._fields.count(organization_id=organization_id) >= MAX_FIELDS:
            raise TooManyFieldsError
        board_ids = await self._require_boards(organization_id, fields.pop("board_ids"))
        field = CustomField(
            organization_id=organization_id, **{**fields, "label": fields["label"] or fields["field_key"]}
        )
        _settle(field)
        await self._fields.add(field)
        await self._fields.replace_boards(field, board_ids)
        return FieldView(field, board_ids)

    async def update(self, field_id: UUID, changes: dict[str, Any]) -> FieldView:
        """Change a field. Raises ForbiddenError, NotFoundError, UnknownReferenceError and FieldInUseError."""
        field = await self._lock(field_id)
        if board_ids := changes.pop("board_ids", None):
            await self._fields.replace_boards(field, await self._require_boards(field.organization_id, board_ids))
            field.updated_at = datetime.now(UTC)
        before = field.field_type, field.validation_regex
        for name, value in changes.items():
            setattr(field, name, value)
        field.label = field.label or field.field_key
        _settle(field)
        if before != (field.field_type, field.validation_regex):
            await self._require_values_to_fit(field)
        boards = await self._fields.board_ids(self._caller.access, [field.id])
        return FieldView(field, boards.get(field.id, ()))

    async def delete(self, field_id: UUID) -> None:
        """Delete a field with the values that tasks have in it. Raises ForbiddenError and NotFoundError."""
        await self._fields.delete((await self._lock(field_id)).id)

    @cached_property
    def _fields(self) -> CustomFieldRepository:
        return CustomFieldRepository(session=self._session)

    async def _lock_organization(self) -> UUID:
        return (await MemberService(self._session, self._caller).lock_own(*MANAGERS)).organization_id

    async def _lock(self, field_id: UUID) -> CustomField:
        """Return the field to be changed; no task gets or loses a value in it until the transaction ends."""
        return await self._fields.lock(organization_id=await self._lock_organization(), id=field_id)

    async def _require_boards(self, organization_id: UUID, board_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Return the ids without doubles, in the order in which they are read. Raises UnknownReferenceError."""
        wanted = set(board_ids)
        boards = BoardRepository(session=self._session)
        if await boards.lock_existing_ids(organization_id, wanted) != wanted:
            raise UnknownReferenceError("board_ids", "board")
        return sorted(wanted)

    async def _require_values_to_fit(self, field: CustomField) -> None:
        """Raise FieldInUseError where a value would be lost or given another form."""
        async for value in self._fields.stream_values(field.id):
            try:
                stands = normalize_value(field.field_type, field.validation_regex, value) == value
            except UnfitValueError:
                stands = False
            if not stands:
                raise FieldInUseError


def _settle(field: CustomField) -> None:
    """Give the default the form of a value. Raises BadRequestError where parts of the field do not go together."""
    if field.validation_regex is not None:
        if field.field_type not in TEXT_TYPES:
            raise _refusal("validation_regex", "Only text and text_long are held to a pattern.")
        try:
            compile_pattern(field.validation_regex)
        except BadPatternError as exc:
            raise _refusal("validation_regex", str(exc)) from exc
    if field.default_value is not None:
        try:
            field.default_value = normalize_value(field.field_type, field.validation_regex, field.default_value)
        except UnfitValueError as exc:
            raise _refusal("default_value", str(exc)) from exc


def _refusal(field: str, detail: str) -> BadRequestError:
    return BadRequestError(errors=(FieldProblem(f"/{field}", detail),))
