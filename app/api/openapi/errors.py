"""The descriptions of errors in the OpenAPI document."""

from typing import Any

from litestar.openapi.datastructures import ResponseSpec

from app.api.http.exception_handlers import MEDIA_TYPE
from app.schemas.problems import ProblemDetails, TaskConflict

# Status -> its meaning, and one of its codes as an example.
MEANINGS = {
    400: ("A field, parameter or header is not valid; `errors` says which.", "validation_error"),
    401: ("The token is missing or unknown.", "unauthorized"),
    403: ("You may not do this; `code` says why.", "forbidden"),
    404: ("There is no such object in your active organization.", "not_found"),
    408: ("The body did not arrive in time.", "request_timeout"),
    409: ("The request conflicts with the present state; `code` says how.", "conflict"),
    410: ("It has expired, or is disabled; `code` says which.", "invite_expired"),
    412: (
        "The object does not have the tag in `If-Match`: read it again. `etag` has its tag.",
        "precondition_failed",
    ),
    413: ("The body is larger than 1 MiB.", "content_too_large"),
    415: ("The body is declared to be something other than JSON.", "unsupported_media_type"),
    422: ("Another request had this `Idempotency-Key`.", "idempotency_key_reused"),
    429: ("There were too many such requests; `Retry-After` says how many seconds to wait.", "too_many_requests"),
    503: ("The service cannot answer right now; `Retry-After` says how many seconds to wait.", "database_unavailable"),
}


def problems(*statuses: int) -> dict[int, Any]:
    """Return the `responses` of a handler with its own errors. `operations.py` adds those that operations share."""
    return {status: _response(ProblemDetails) for status in statuses}


def task_conflict() -> dict[int, Any]:
    """Return the `responses` of a handler that another task may block."""
    return {409: _response(TaskConflict)}


def _response(shape: type[ProblemDetails]) -> ResponseSpec:
    return ResponseSpec(shape, generate_examples=False, media_type=MEDIA_TYPE)
