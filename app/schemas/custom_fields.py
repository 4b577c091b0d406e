"""Definitions of custom fields."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.shared_types import LongText, Moment, Name, Request, Update

CustomFieldType = Literal["text", "text_long", "integer", "decimal", "boolean", "date", "date_time", "url", "json"]
CustomFieldVisibility = Literal["always", "if_set", "hidden"]
FieldKey = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*(?![\s\S])")]
Pattern = Annotated[
    str, Meta(min_length=1, max_length=500, description="A pattern in RE2's syntax, which must match the whole text.")
]
BoardIds = Annotated[list[UUID], Meta(min_length=1, max_length=200)]


class TaskCustomFieldDefinitionCreate(Request):
    """A new custom field. The label defaults to the key. `validation_regex` is for text and text_long only."""

    field_key: FieldKey
    board_ids: BoardIds
    label: Name | None = None
    field_type: CustomFieldType = "text"
    ui_visibility: CustomFieldVisibility = "always"
    validation_regex: Pattern | None = None
    description: LongText | None = None
    required: bool = False
    default_value: Any = None


class TaskCustomFieldDefinitionUpdate(Update):
    """A change of a custom field. A null label means the key.

    If a board is removed, the values of its tasks are hidden, and come back with the board.
    """

    null_clears = frozenset({"default_value", "description", "label", "validation_regex"})

    label: Name | UnsetType | None = UNSET
    field_type: CustomFieldType | UnsetType | None = UNSET
    ui_visibility: CustomFieldVisibility | UnsetType | None = UNSET
    validation_regex: Pattern | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET
    required: bool | UnsetType | None = UNSET
    default_value: Any = UNSET
    board_ids: BoardIds | UnsetType | None = UNSET


class TaskCustomFieldDefinitionRead(msgspec.Struct, kw_only=True):
    """A custom field. `board_ids` has those of its boards that you may read."""

    id: UUID
    organization_id: UUID
    field_key: str
    label: str
    field_type: CustomFieldType
    ui_visibility: CustomFieldVisibility
    validation_regex: str | None
    description: str | None
    required: bool
    default_value: Any
    board_ids: list[UUID]
    created_at: Moment
    updated_at: Moment
