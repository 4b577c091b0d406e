"""A board with what generated tasks refer to: agents, writers, fields."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.models import Board

# How many tasks of a board are remembered as those that a new one may wait for.
_RECENT = 8


class EarlierTask(NamedTuple):
    """A task that others may wait for; `done_at` is None where it is not done."""

    task_id: UUID
    done_at: datetime | None


class FieldChoice(NamedTuple):
    """A custom field of a board, and what its tasks may have in it, in JSON; the first is a required one's default."""

    field_id: UUID
    is_required: bool
    values: Sequence[str]


@dataclass
class GeneratedBoard:
    """A board that gets tasks. The first of `agents` leads it; `writers` are the people who may change its tasks."""

    board: Board
    agents: list[UUID] = field(default_factory=list)
    writers: list[UUID] = field(default_factory=list)
    fields: list[FieldChoice] = field(default_factory=list)
    webhook_id: UUID | None = None
    recent: deque[EarlierTask] = field(default_factory=lambda: deque(maxlen=_RECENT))
