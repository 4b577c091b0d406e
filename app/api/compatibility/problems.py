"""Errors: `detail` has the form that the other backend's document declares; all other members stay."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.types import ExceptionHandlersMap

from app.api.http.exception_handlers import EXCEPTION_HANDLERS, title_of

Json = dict[str, Any]
Render = Callable[[Request[Any, Any, Any], Any], Response[Json]]
# The operations whose 409 has an object in `detail`, whatever the reason.
NAMES_BLOCKING_TASKS = frozenset({"create_task", "update_task"})


def exception_handlers() -> ExceptionHandlersMap:
    """Return the application's exception handlers, whose answers are changed."""
    return {kind: _changed(handler) for kind, handler in EXCEPTION_HANDLERS.items()}


def _changed(render: Render) -> Render:
    def render_changed(request: Request[Any, Any, Any], exc: Exception) -> Response[Json]:
        response = render(request, exc)
        # Agents of that backend look for it.
        response.content["retryable"] = "Retry-After" in response.headers
        if response.status_code == HTTPStatus.BAD_REQUEST:
            _as_unprocessable(request, response)
        elif response.status_code == HTTPStatus.CONFLICT and _operation_of(request) in NAMES_BLOCKING_TASKS:
            _with_object(response.content)
        return response

    return render_changed


def _operation_of(request: Request[Any, Any, Any]) -> str | None:
    # An unknown path has no handler.
    handler: Any = request.scope.get("route_handler")
    return getattr(handler, "operation_id", None)


def _as_unprocessable(request: Request[Any, Any, Any], response: Response[Json]) -> None:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    body = response.content
    problems = body.get("errors") or [{"pointer": "", "detail": body["detail"]}]
    detail = [{"loc": _place(request, one["pointer"]), "msg": one["detail"], "type": "value_error"} for one in problems]
    body |= {"title": title_of(status), "status": status.value, "detail": detail}
    response.status_code = status.value


def _place(request: Request[Any, Any, Any], pointer: str) -> list[str | int]:
    """Return the place in that backend's form: body, query, header or path, and then names and indexes."""
    if not pointer or pointer.startswith("/"):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        return ["body", *(int(part) if part.isdecimal() else part for part in parts)]
    where = "header" if pointer in request.headers else "path" if pointer in request.path_params else "query"
    return [where, pointer]


def _with_object(body: Json) -> None:
    if isinstance(body["detail"], str):
        body["detail"] = {"message": body["detail"], "code": body["code"], "blocked_by_task_ids": []}
