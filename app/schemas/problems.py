"""The shape of an error (RFC 9457), for the OpenAPI document."""

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
