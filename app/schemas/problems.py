"""The shape of an error (RFC 9457), for the OpenAPI document."""

from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType


class FieldError(msgspec.Struct, kw_only=True):
    """A problem with one field. `pointer` is a JSON pointer into the body (RFC 6901), or a parameter's name."""

    pointer: str
    detail: str


class ProblemDetails(msgspec.Struct, kw_only=True):
    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldError] | UnsetType = UNSET


class BlockedTaskDetail(msgspec.Struct, kw_only=True):
    message: str
    code: str
    blocked_by_task_ids: list[UUID]


class TaskConflict(ProblemDetails, kw_only=True):
    """A refused change of a task. If other tasks block it, `detail` is an object, and they are named here, too."""

    detail: str | BlockedTaskDetail  # type: ignore[assignment] # Wider than in other errors, only to be described.
    blocked_by_task_ids: list[UUID] | UnsetType = UNSET
