"""The one renderer of errors, as problem details (RFC 9457). No driver's text reaches a client."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from app.api.http.request_id import request_id_of
from app.core.errors import AppError, FieldProblem, NotFoundError, ServiceUnavailableError
from app.db.request.client import ClientDisconnectedError
from app.db.request.read_route import SAFE_METHODS
from app.db.request.retry import is_outcome_unknown, will_be_retried
from app.postgres.errors import sqlstate_of
from app.postgres.sqlstate import (
    DEADLOCK_DETECTED,
    LOCK_NOT_AVAILABLE,
    READ_ONLY_SQL_TRANSACTION,
    SERIALIZATION_FAILURE,
)
from app.schemas.shared_types import IN_WORDS

MEDIA_TYPE = "application/problem+json"
# msgspec ends its messages with the place: "Expected `str`, got `int` - at `$.title`".
_PLACE = re.compile(r"^(?P<detail>.*?)(?: - at `\$?(?P<path>[^`]*)`)?$", re.DOTALL)
# If the place is the surrounding object, the message starts with the field. Messages of our shapes do so, too.
_FIELD = re.compile(r"^(?:Object (?:contains unknown|missing required) field )?`(?P<field>[^`]*)`")
_PATTERNS = {f"Expected `str` matching regex {pattern!r}": words for pattern, words in IN_WORDS.items()}
# Litestar's message for a missing body: the KeyError of its name.
_NO_BODY = str(KeyError("data"))

# SQLSTATEs, or their two-character classes, that mean something to a client (PostgreSQL documentation, appendix A).
_BY_SQLSTATE = {
    SERIALIZATION_FAILURE: (
        HTTPStatus.CONFLICT,
        "write_conflict",
        "Another request changed the same data at the same time; try again.",
    ),
    DEADLOCK_DETECTED: (
        HTTPStatus.CONFLICT,
        "write_conflict",
        "Another request changed the same data at the same time; try again.",
    ),
    LOCK_NOT_AVAILABLE: (HTTPStatus.CONFLICT, "write_conflict", "Another request holds the same data; try again."),
    "22": (HTTPStatus.BAD_REQUEST, "validation_error", "A value of the request cannot be stored."),
    "23": (HTTPStatus.CONFLICT, "conflict", "The request conflicts with what is stored."),
}
_UNAVAILABLE = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "database_unavailable",
    "The database cannot answer right now; try again.",
)
_OUTCOME_UNKNOWN = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "outcome_unknown",
    "The connection to the database was lost while the change was being stored, so it may be stored or not: look before"
    " you send it again. With an Idempotency-Key or If-Match it can be sent again at once.",
)
_READ_ONLY = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    "database_read_only",
    "The database can only be read right now; try again.",
)

# RFC 9110's names, which Python's HTTPStatus has only from 3.13 on. A code must not depend on Python's version.
_TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}

log = structlog.stdlib.get_logger(__name__)


def problem(
    request: Request[Any, Any, Any],
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: tuple[FieldProblem, ...] = (),
    extra: Mapping[str, object] | None = None,
) -> Response[dict[str, Any]]:
    """Return a problem details response (RFC 9457, section 3); `extra` holds extension members."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status.value,
        "detail": detail,
        "instance": request.scope["path"],
        "code": code,
        "request_id": request_id_of(request.scope),
        **(extra or {}),
    }
    if errors:
        body["errors"] = [{"pointer": problem.pointer, "detail": problem.detail} for problem in errors]
    return Response(body, status_code=status.value, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def on_app_error(request: Request[Any, Any, Any], exc: AppError) -> Response[dict[str, Any]]:
    return problem(request, exc.status, exc.code, exc.detail, headers=exc.headers, errors=exc.errors, extra=exc.extra)


def on_http_exception(request: Request[Any, Any, Any], exc: HTTPException) -> Response[dict[str, Any]]:
    """Render what Litestar raises: an unknown path, a wrong method, an invalid body or parameter."""
    status = HTTPStatus(exc.status_code)
    headers = {name: value for name, value in (exc.headers or {}).items() if name.lower() == "allow"}
    if status is HTTPStatus.BAD_REQUEST:
        return problem(request, status, "validation_error", "The request is not valid.", errors=_field_problems(exc))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return on_unexpected(request, exc)
    title = title_of(status)
    return problem(request, status, title.lower().replace(" ", "_"), status.description or title, headers=headers)


def on_database_error(request: Request[Any, Any, Any], exc: DBAPIError) -> Response[dict[str, Any]]:
    """Render what the driver raised, by its SQLSTATE.

    Raises the error again if the request is going to be retried.
    """
    if will_be_retried(request.scope, exc):
        raise exc
    if exc.orig is not None and isinstance(exc.orig.__cause__, ValueError):
        # The driver could not send the value: a number or a time out of range.
        return problem(request, *_BY_SQLSTATE["22"])
    state = sqlstate_of(exc) or ""
    if state == READ_ONLY_SQL_TRANSACTION:
        log.error("the database is read-only", **_request_fields(request))
        return problem(request, *_READ_ONLY, headers=ServiceUnavailableError().headers)
    known = _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2])
    if known is not None:
        return problem(request, *known)
    if not _is_lost_connection(exc, state):
        return on_unexpected(request, exc)
    return on_unavailable(request, exc)


def on_unavailable(request: Request[Any, Any, Any], exc: Exception) -> Response[dict[str, Any]]:
    """Render the loss of the database. Raises the error again as `on_database_error` does."""
    if will_be_retried(request.scope, exc):
        raise exc
    driver_error = getattr(exc, "orig", None) or exc
    error = type(driver_error.__cause__ or driver_error).__name__
    log.error("the database did not answer", error=error, sqlstate=sqlstate_of(exc), **_request_fields(request))
    may_be_stored = request.method not in SAFE_METHODS and is_outcome_unknown(request.scope, exc)
    said = _OUTCOME_UNKNOWN if may_be_stored else _UNAVAILABLE
    return problem(request, *said, headers=ServiceUnavailableError().headers)


def on_disconnect(request: Request[Any, Any, Any], exc: ClientDisconnectedError) -> Response[dict[str, Any]]:  # noqa: ARG001
    """Log that the change was rolled back, and return an answer, which nobody reads."""
    log.info("the client hung up: rolled back", **_request_fields(request))
    return problem(request, HTTPStatus.BAD_REQUEST, "client_disconnected", "The client hung up.")


def on_gone(request: Request[Any, Any, Any], exc: Exception) -> Response[dict[str, Any]]:  # noqa: ARG001
    """Render 404 for a row that another request has deleted since this one read it."""
    return on_app_error(request, NotFoundError())


def on_unexpected(request: Request[Any, Any, Any], exc: Exception) -> Response[dict[str, Any]]:
    log.error("unexpected error", **_request_fields(request), exc_info=exc)
    return problem(request, AppError.status, AppError.code, AppError.default_detail)


def _request_fields(request: Request[Any, Any, Any]) -> dict[str, str]:
    # The request id is given explicitly: an error of a middleware is rendered outside RequestIdMiddleware.
    return {"method": request.method, "path": request.scope["path"], "request_id": request_id_of(request.scope)}


def title_of(status: HTTPStatus) -> str:
    return _TITLES.get(status) or status.phrase


def _is_lost_connection(exc: DBAPIError, state: str) -> bool:
    # Class 08: connection exceptions; 57: operator intervention, such as a shutdown; 53: out of resources.
    return exc.connection_invalidated or state[:2] in {"08", "53", "57"} or not state


def _field_problems(exc: HTTPException) -> tuple[FieldProblem, ...]:
    if isinstance(exc, ValidationException) and isinstance(exc.extra, list):
        return tuple(_parameter_problem(item) for item in exc.extra if isinstance(item, dict))
    return (_body_problem(exc.detail),)


def _parameter_problem(item: dict[str, Any]) -> FieldProblem:
    message, key = str(item.get("message", "is not valid")), str(item.get("key", ""))
    if item.get("source") == "body" or not key:
        # "data" is the handlers' name for the body, which clients do not know.
        if message == _NO_BODY:
            return FieldProblem("", "Send a body of JSON.")
        return _body_problem(message, "" if key == "data" else key.removeprefix("data."))
    return FieldProblem(key, message)


def _body_problem(message: str, key: str = "") -> FieldProblem:
    match = _PLACE.match(message)
    detail, path = (match["detail"], match["path"] or "") if match else (message, "")
    # `[...]` is a key that msgspec does not name, so the pointer ends before it.
    place = (path or (f".{key}" if key else "")).partition("[...]")[0]
    pointer = re.sub(r"[.\[]+", "/", place.replace("]", ""))
    if field := _FIELD.match(detail):
        pointer += "/" + field["field"].replace("~", "~0").replace("/", "~1")
    return FieldProblem(pointer, _PATTERNS.get(detail, detail))


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    AppError: on_app_error,
    HTTPException: on_http_exception,
    StaleDataError: on_gone,
    IntegrityError: on_database_error,
    DBAPIError: on_database_error,
    PoolTimeoutError: on_unavailable,
    OSError: on_unavailable,
    ClientDisconnectedError: on_disconnect,
    HTTPStatus.INTERNAL_SERVER_ERROR.value: on_unexpected,
}
