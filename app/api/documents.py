"""How the OpenAPI document describes errors."""

from typing import Any

from litestar.openapi.datastructures import ResponseSpec

from app.schemas.problems import ProblemDetails

_MEANINGS = {
    400: "A field or parameter is not valid; `errors` says which.",
    401: "No token, or one that is not known.",
    403: "You may read this, but not change it.",
    404: "There is no such object in your active organization.",
    409: "It conflicts with the present state; `code` says how.",
    410: "It was good for a time, which is over.",
    413: "The body is larger than 1 MiB.",
    429: "That was too often; `Retry-After` says how many seconds to wait.",
}


def problems(*statuses: int) -> dict[int, Any]:
    """The `responses` of a handler: 401 always, since every operation needs a token, and 400, which Litestar would
    otherwise describe in a form of its own wherever a path has a parameter.
    """
    return {
        status: ResponseSpec(
            ProblemDetails,
            generate_examples=False,
            description=_MEANINGS[status],
            media_type="application/problem+json",
        )
        for status in sorted({400, 401, *statuses})
    }
