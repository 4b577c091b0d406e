"""Batches of rows for COPY, and ids that carry a time."""

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811
from uuid_utils import uuid7

from app.models import (
    ActivityEvent,
    Approval,
    ApprovalTask,
    Base,
    BoardWebhookPayload,
    CustomFieldValue,
    Task,
    TaskComment,
    TaskDependency,
    TaskTag,
)

# What refers to another table comes after it.
COPIED: tuple[type[Base], ...] = (
    Task,
    TaskDependency,
    TaskTag,
    CustomFieldValue,
    TaskComment,
    Approval,
    ApprovalTask,
    BoardWebhookPayload,
    ActivityEvent,
)


class Actor(NamedTuple):
    """A person, an agent, or, with neither, a system outside."""

    user_id: UUID | None = None
    agent_id: UUID | None = None


class RowBatch:
    """Rows of one organization, by model, and the columns that their values are for."""

    def __init__(self, organization_id: UUID) -> None:
        self.columns: dict[type[Base], tuple[str, ...]] = {}
        self.rows: defaultdict[type[Base], list[tuple[object, ...]]] = defaultdict(list)
        self._organization_id = organization_id

    @property
    def tasks(self) -> int:
        return len(self.rows[Task])

    def add(self, model: type[Base], at: datetime, **values: object) -> None:
        """Add a row made at `at`; JSON is given as text. All rows of a model name the same columns in one order."""
        row = {"created_at": at, "organization_id": self._organization_id, **values}
        assert self.columns.setdefault(model, tuple(row)) == tuple(row), "values would go into other columns"
        self.rows[model].append(tuple(row.values()))

    def add_event(
        self,
        at: datetime,
        event_type: str,
        message: str | None,
        actor: Actor,
        *,
        board_group_id: UUID | None = None,
        board_id: UUID | None = None,
        task_id: UUID | None = None,
        subject_id: UUID | None = None,
    ) -> None:
        """Add an event as `ActivityLog.record` stores it."""
        about = {"board_group_id": board_group_id, "board_id": board_id, "task_id": task_id, "subject_id": subject_id}
        event = {"event_type": event_type, "message": message, **actor._asdict(), **about}
        self.add(ActivityEvent, at, id=id_at(at), **event)


def id_at(moment: datetime) -> UUID:
    """Return a UUIDv7 of that moment, so that it sorts by it."""
    milliseconds = round(moment.timestamp() * 1000)
    made = uuid7(milliseconds // 1000, milliseconds % 1000 * 1_000_000)
    # asyncpg's UUID type: with several ids in each row, its speed decides the run time.
    return cast("UUID", DriverUUID(made.bytes))
