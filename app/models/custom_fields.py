"""Custom fields, which the tasks of some boards have beside the fields that all tasks have."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Created, Identified, Timestamped


class FieldType(StrEnum):
    TEXT = "text"
    TEXT_LONG = "text_long"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATE_TIME = "date_time"
    URL = "url"
    JSON = "json"


class Visibility(StrEnum):
    """When user interfaces show a field; its value is read by all who may read the task."""

    ALWAYS = "always"
    IF_SET = "if_set"
    HIDDEN = "hidden"


class CustomField(Identified, Timestamped, Base):
    __tablename__ = "custom_fields"
    __table_args__ = (
        UniqueConstraint("organization_id", "field_key"),
        CheckConstraint(
            "field_type IN ('text', 'text_long', 'integer', 'decimal', 'boolean', 'date', 'date_time', 'url', 'json')",
            name="field_type",
        ),
        CheckConstraint("ui_visibility IN ('always', 'if_set', 'hidden')", name="ui_visibility"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    field_key: Mapped[str]
    label: Mapped[str]
    field_type: Mapped[str]
    ui_visibility: Mapped[str] = mapped_column(default=Visibility.ALWAYS, server_default=Visibility.ALWAYS.value)
    validation_regex: Mapped[str | None]
    description: Mapped[str | None]
    required: Mapped[bool] = mapped_column(default=False, server_default=false())
    # JSON here and below, not JSONB, which would give numbers and the order of keys back in another form.
    default_value: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)


class CustomFieldBoard(Created, Base):
    """A board whose tasks have the field."""

    __tablename__ = "custom_field_boards"

    board_id: Mapped[UUID] = mapped_column(
        ForeignKey("boards.id", ondelete="CASCADE"), primary_key=True, sort_order=-40
    )
    custom_field_id: Mapped[UUID] = mapped_column(
        ForeignKey("custom_fields.id", ondelete="CASCADE"), primary_key=True, index=True, sort_order=-39
    )
    organization_id: Mapped[UUID]


class CustomFieldValue(Created, Base):
    """A task's value in a field; a task without one has no row. It stays where the field is taken off its board."""

    __tablename__ = "custom_field_values"

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, sort_order=-40)
    custom_field_id: Mapped[UUID] = mapped_column(
        ForeignKey("custom_fields.id", ondelete="CASCADE"), primary_key=True, index=True, sort_order=-39
    )
    value: Mapped[Any] = mapped_column(JSON, nullable=False)
    organization_id: Mapped[UUID]
