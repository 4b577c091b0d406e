"""Answers to requests that do not reach the application."""

from http import HTTPStatus
from typing import NamedTuple

import msgspec


class Refusal(NamedTuple):
    """An answer after which the connection is closed: a problem (RFC 9457) like the application's."""

    status: HTTPStatus
    code: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def encode(self, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        body = msgspec.json.encode(
            {
                "type": "about:blank",
                "title": self.status.phrase,
                "status": self.status.value,
                "detail": self.detail,
                "instance": "",
                "code": self.code,
                "request_id": "",
            }
        )
        headers = [
            *default_headers,
            *self.headers,
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 %d %b" % (self.status, self.status.phrase.encode()), *map(b": ".join, headers), b"", body]
        return b"\r\n".join(lines)


MALFORMED = Refusal(HTTPStatus.BAD_REQUEST, "malformed_request", "This is not a request of HTTP/1.1.")
HEAD_TIMEOUT = Refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The head of the request did not come in time.")
HEAD_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "request_header_fields_too_large",
    "Request line and headers may have 64 KiB and 100 headers; so may what is around the chunks of a body.",
)
HELD_TOO_LONG = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "overloaded",
    "Too many requests are on their way; send this one again shortly, without pauses.",
    ((b"retry-after", b"2"),),
)
