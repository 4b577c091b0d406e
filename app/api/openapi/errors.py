"""How the OpenAPI document describes errors."""

from typing import Any

from litestar.openapi.datastructures import ResponseSpec

from app.api.http.exception_handlers import MEDIA_TYPE
from app.schemas.problems import ProblemDetails

# Status -> what it says, and a code that it may have.
MEANINGS = {
    400: ("A field, parameter or header is not valid; `errors` says which.", "validation_error"),
    401: ("No token, or one that is not known.", "unauthorized"),
    403: ("You may not do this; `code` says why.", "forbidden"),
    404: ("There is no such object in your active organization.", "not_found"),
    408: ("The body did not come in time.", "request_timeout"),
    409: ("It conflicts with the present state; `code` says how.", "conflict"),
    410: ("It was good for a time, which is over.", "invite_expired"),
    412: ("It is not what `If-Match` says; read it again. `etag` is what it has now.", "precondition_failed"),
    413: ("The body is larger than 1 MiB.", "content_too_large"),
    415: ("The body is declared to be something other than JSON.", "unsupported_media_type"),
    422: ("Another request had this `Idempotency-Key`.", "idempotency_key_reused"),
    429: ("That was too often; `Retry-After` says how many seconds to wait.", "too_many_requests"),
    503: ("It cannot answer right now; `Retry-After` says how many seconds to wait.", "database_unavailable"),
}


def problems(*statuses: int) -> dict[int, Any]:
    """Return the `responses` of a handler: its own errors. `operations.py` adds those that all share."""
    return {status: ResponseSpec(ProblemDetails, generate_examples=False, media_type=MEDIA_TYPE) for status in statuses}
