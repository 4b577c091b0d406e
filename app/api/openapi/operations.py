"""The parts of the OpenAPI document that operations share: sign-in, conditional requests, `Idempotency-Key`, limits.

They follow from the method, the path, the body and the answer, so that no handler declares them.
"""

import re
from http import HTTPStatus
from typing import Any

from app.api.http.exception_handlers import MEDIA_TYPE, title_of
from app.api.openapi.errors import MEANINGS

Json = dict[str, Any]
_WRITES = frozenset({"post", "patch", "put", "delete"})
_JSON = "application/json"
_TEXT: Json = {"type": "string"}
_SECONDS: Json = {"type": "integer", "minimum": 0}
_URI: Json = {"type": "string", "format": "uri-reference"}
_TAG: Json = {"type": "string", "examples": ['"mVQ1b3J0ZW5nIGlzIGEgaGFz"']}
# Name -> description, schema, whether it is always present.
_HEADERS: dict[str, tuple[str, Json, bool]] = {
    "Accept": ("The media type that the body must have.", _TEXT, True),
    "Cache-Control": ("`no-store`: no cache may store the answer.", _TEXT, True),
    "ETag": ("The entity tag of the answer, for `If-Match` and `If-None-Match`.", _TAG, True),
    "Idempotent-Replayed": (
        "The answer is that of an earlier request with the same `Idempotency-Key`.",
        {"const": "true"},
        False,
    ),
    "Link": ("The next page (RFC 8288); absent on the last page.", _TEXT, False),
    "Location": ("The path at which the new object is read.", _URI, True),
    "Retry-After": ("The number of seconds to wait.", _SECONDS, True),
    "WWW-Authenticate": ("The way to sign in.", _TEXT, True),
    "X-Request-Id": (
        "The id of the request, as in the log.",
        {"type": "string", "examples": ["5f0c2a7e"]},
        True,
    ),
}
_PARAMETERS: dict[str, tuple[str, Json]] = {
    "Idempotency-Key": (
        "A key that you choose. A request that is sent again with it within 24 hours is answered as before, and not"
        " carried out again.",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$", "examples": ["refit-4711"]},
    ),
    "If-Match": (
        "Carry the request out only if the object still has one of these tags; otherwise answer 412. `*` is any tag.",
        {"type": "string", "examples": ["*"]},
    ),
    "If-None-Match": ("Answer 304 if the object still has one of these tags.", _TAG),
}
_BODIES: dict[str, Json] = {
    "receive_webhook": {
        "description": "Anything, up to 1 MiB, of any media type.",
        # Generated clients can send but one media type: bytes, whose signature the sender can compute.
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_HEADERS_OF_ERRORS = {401: ("WWW-Authenticate",), 415: ("Accept",), 429: ("Retry-After",), 503: ("Retry-After",)}
# The schema of a 409, and the response that has it, where a task may be blocked.
_TASK_CONFLICT = "TaskConflict"
_SUCCESSES = {200: "The result.", 201: "The object was created.", 204: "Done; the answer has no content."}


def shared_components(example: Json) -> Json:
    """Return the headers, parameters and responses that operations refer to; `example` is a problem."""
    return {
        "headers": {
            name: {"description": text, "schema": schema, **({"required": True} if always else {})}
            for name, (text, schema, always) in _HEADERS.items()
        },
        "parameters": {
            name: {"name": name, "in": "header", "description": text, "schema": schema}
            for name, (text, schema) in _PARAMETERS.items()
        },
        "responses": {
            **{_component(status): _problem(status, example) for status in MEANINGS},
            _TASK_CONFLICT: _problem(HTTPStatus.CONFLICT, example, _TASK_CONFLICT),
        },
    }


class Operation:
    """One operation of the document, which is completed in place. `reader` is the GET of the same path."""

    def __init__(self, method: str, path: str, described: Json, reader: Json | None) -> None:
        self._method = method
        self._described = described
        self._reader = reader
        self._under_api = path.startswith("/api/v1/")
        self._is_signed_in = self._under_api and described.get("security") != [{}]
        self._is_for_agents = path.startswith("/api/v1/agent/")

    def complete(self, secrets: frozenset[str]) -> None:
        """Add the parts that operations share. Answers of the schemas `secrets` have no tag, and are not cached."""
        if body := _BODIES.get(self._described["operationId"]):
            self._described["requestBody"] = body
        responses = self._described["responses"]
        own = {
            int(status): _schema_of(response, MEDIA_TYPE) for status, response in responses.items() if status >= "400"
        }
        for status, response in responses.items():
            if status < "300":
                self._complete_success(int(status), response, _schema_of(response) in secrets)
        tagged = self._under_api and self._is_tagged(self._described, secrets)
        if self._method == "get" and tagged:
            # Not a reference: generators take a response that is referred to for one with content.
            responses["304"] = {
                "description": "The object still has the tag that you sent.",
                "headers": _headers("ETag"),
            }
        for status in own.keys() | self._errors():
            is_special = own.get(status) == _TASK_CONFLICT
            responses[str(status)] = _ref("responses", _TASK_CONFLICT if is_special else _component(status))
        self._described["responses"] = dict(sorted(responses.items()))
        for name in self._header_parameters(secrets):
            self._described.setdefault("parameters", []).append(_ref("parameters", name))

    def _complete_success(self, status: int, response: Json, is_secret: bool) -> None:
        content = response.get("content", {})
        names = []
        if self._under_api and content:
            names = ["ETag"] if _JSON in content and not is_secret else ["Cache-Control"]
        if status == HTTPStatus.CREATED:
            names.append("Location")
        if str(_schema_of(response)).endswith("Page"):
            names.append("Link")
        if self._method == "post" and self._is_signed_in:
            names.append("Idempotent-Replayed")
        response["headers"] = _headers(*names)
        if _JSON in content or not content:
            response["description"] = _SUCCESSES[status]

    def _errors(self) -> set[int]:
        found: set[int] = set()
        if self._is_signed_in:
            found |= {400, 401, 429, 503}
        if self._is_for_agents or (self._is_signed_in and self._method in _WRITES):
            # The operation is for agents only, or the token may only read.
            found.add(403)
        if self._is_signed_in and self._method in _WRITES:
            found.add(409)
        if self._is_signed_in and self._method in _WRITES - {"post"}:
            found.add(412)
        if self._is_signed_in and self._method == "post":
            found.add(422)
        if "requestBody" in self._described:
            found |= {408, 413, 503}
        if "requestBody" in self._described and self._is_signed_in:
            found.add(415)
        return found

    def _header_parameters(self, secrets: frozenset[str]) -> list[str]:
        if not self._is_signed_in:
            return []
        if self._method == "post":
            return ["Idempotency-Key"]
        if self._method == "get":
            return ["If-None-Match"] if self._is_tagged(self._described, secrets) else []
        return ["If-Match"] if self._reader and self._is_tagged(self._reader, secrets) else []

    def _is_tagged(self, described: Json, secrets: frozenset[str]) -> bool:
        response = described["responses"].get("200", {})
        return _JSON in response.get("content", {}) and _schema_of(response) not in secrets


def links_of(path: str, paths: Json) -> Json:
    """Return links from the object created at this path to the operations whose path ends with its id."""
    made = re.compile(re.escape(path) + r"/\{(\w+)\}(/[^{]*)?")
    given = {name: f"$request.path.{name}" for name in re.findall(r"\{(\w+)\}", path)}
    return {
        described["operationId"]: {
            "operationId": described["operationId"],
            "parameters": {**given, found[1]: "$response.body#/id"},
        }
        for other, item in paths.items()
        if (found := made.fullmatch(other))
        for described in item.values()
    }


def _headers(*names: str) -> Json:
    return {name: _ref("headers", name) for name in (*names, "X-Request-Id")}


def _problem(status: int, example: Json, shape: str = "ProblemDetails") -> Json:
    meaning, code = MEANINGS[status]
    said = {"title": title_of(HTTPStatus(status)), "status": status, "code": code, "detail": meaning}
    written = {
        name: value for name, value in example.items() if status == HTTPStatus.BAD_REQUEST or name != "errors"
    } | said
    schema = _ref("schemas", shape)
    return {
        "description": meaning,
        "headers": _headers(*_HEADERS_OF_ERRORS.get(status, ())),
        "content": {MEDIA_TYPE: {"schema": schema, "example": written}},
    }


def _component(status: int) -> str:
    return title_of(HTTPStatus(status)).replace(" ", "")


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schema_of(response: Json, media_type: str = _JSON) -> str | None:
    """Return the name of the response's schema; None if it has none."""
    schema = response.get("content", {}).get(media_type, {}).get("schema", {})
    return schema.get("$ref", "").rsplit("/", 1)[-1] or None
