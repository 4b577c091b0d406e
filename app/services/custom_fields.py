"""Custom fields: who defines them, and what a change of one may do to what tasks have in it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequestError, ConflictError, FieldProblem, NotFoundError
from app.core.field_values import TEXT_TYPES, BadPatternError, UnfitValueError, compile_pattern, normalize_value
from app.models import CustomField
from app.repositories.boards import BoardRepository
from app.repositories.custom_fields import CustomFieldRepository
from app.services.boards import UnknownReferenceError
from app.services.identity import Caller
from app.services.members import MANAGERS, Members

# They are listed in one piece, and a task shows all that its board has.
MAX_FIELDS = 100


class FieldInUseError(ConflictError):
    code = "custom_field_in_use"
    default_detail = "Tasks have values in this field that would not fit: change or clear them first."


class TooManyFieldsError(ConflictError):
    code = "too_many_custom_fields"
    default_detail = f"An organization has at most {MAX_FIELDS} custom fields."


class FieldView(NamedTuple):
    """A field with those of its boards that the caller may read."""

    field: CustomField
    board_ids: Sequence[UUID]


class CustomFields:
    """Those of the caller's active organization; owners and admins change them, one at a time."""

    def __init__(self, session: AsyncSession, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._fields = CustomFieldRepository(session=session)

    async def view(self, field_id: UUID) -> FieldView:
        """Raises NotFoundError."""
        if not (found := await self.views(field_id)):
            raise NotFoundError
        return found[0]

    async def views(self, field_id: UUID | None = None) -> list[FieldView]:
        """In two statements however many they are; with `field_id` that one alone."""
        fields = await self._fields.readable(self._caller.access, field_id)
        boards = await self._fields.board_ids(self._caller.access, [field.id for field in fields])
        return [FieldView(field, boards.get(field.id, ())) for field in fields]

    async def create(self, fields: dict[str, Any]) -> FieldView:
        """Raises ForbiddenError, UnknownReferenceError, TooManyFieldsError and FieldKeyTakenError."""
        organization_id = await self._hold_organization()
        if await self._fields.in_organization(organization_id) >= MAX_FIELDS:
            raise TooManyFieldsError
        board_ids = await self._known(organization_id, fields.pop("board_ids"))
        field = CustomField(
            organization_id=organization_id, **{**fields, "label": fields["label"] or fields["field_key"]}
        )
        _settle(field)
        await self._fields.store(field)
        await self._fields.replace_boards(field, board_ids)
        return FieldView(field, board_ids)

    async def update(self, field_id: UUID, changes: dict[str, Any]) -> FieldView:
        """Raises ForbiddenError, NotFoundError, UnknownReferenceError and FieldInUseError."""
        field = await self._hold(field_id)
        if board_ids := changes.pop("board_ids", None):
            await self._fields.replace_boards(field, await self._known(field.organization_id, board_ids))
            field.updated_at = datetime.now(UTC)
        before = field.field_type, field.validation_regex
        for name, value in changes.items():
            setattr(field, name, value)
        field.label = field.label or field.field_key
        _settle(field)
        if before != (field.field_type, field.validation_regex):
            await self._require_values_to_fit(field)
        await self._fields.store(field)
        boards = await self._fields.board_ids(self._caller.access, [field.id])
        return FieldView(field, boards.get(field.id, ()))

    async def delete(self, field_id: UUID) -> None:
        """With what tasks have in it. Raises ForbiddenError and NotFoundError."""
        await self._fields.remove((await self._hold(field_id)).id)

    async def _hold_organization(self) -> UUID:
        return (await Members(self._session, self._caller).hold(*MANAGERS)).organization_id

    async def _hold(self, field_id: UUID) -> CustomField:
        field = await self._fields.hold(await self._hold_organization(), field_id)
        if field is None:
            raise NotFoundError
        return field

    async def _known(self, organization_id: UUID, board_ids: Sequence[UUID]) -> list[UUID]:
        """Without doubles, in the order in which they are read."""
        wanted = set(board_ids)
        if await BoardRepository(session=self._session).of_organization(organization_id, wanted) != wanted:
            raise UnknownReferenceError("board_ids", "board")
        return sorted(wanted)

    async def _require_values_to_fit(self, field: CustomField) -> None:
        """Nothing that a task has is lost or given another form: it stands as it is, or the change is refused."""
        async for value in self._fields.values(field.id):
            try:
                stands = normalize_value(field.field_type, field.validation_regex, value) == value
            except UnfitValueError:
                stands = False
            if not stands:
                raise FieldInUseError


def _settle(field: CustomField) -> None:
    """Holds its parts to each other, and gives its default the form of a value. Raises BadRequestError."""
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
