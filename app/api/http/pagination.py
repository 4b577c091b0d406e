"""Pagination: the query parameters of a list, and its page with `next_cursor` and a `Link` header (RFC 8288)."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import Parameter

from app.core.errors import BadRequestError, FieldProblem
from app.core.pagination import Slice, SortKey, Window
from app.schemas.pagination import Page
from app.services.base import Service

ReadT = TypeVar("ReadT")


def provide_window(
    service: NamedDependency[Service],  # noqa: ARG001 - resolved first: two dependencies at once would take a task group
    limit: Annotated[int, Parameter(ge=1, le=200, description="The number of rows in a page.")] = 50,
    offset: Annotated[
        # Litestar's document takes a limit of 0 for none.
        int | None,
        Parameter(ge=0, le=2**31, description="The number of rows to skip.", schema_extra={"minimum": 0}),
    ] = None,
    cursor: Annotated[
        str | None,
        Parameter(
            max_length=4096,
            description="`next_cursor` of the previous page. An empty cursor is the first page, without a `total`.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        Parameter(
            max_length=200,
            description="Columns to sort by, separated by commas; `-` before a column reverses its order. The 400 for"
            " an unknown column names the list's columns.",
            schema_extra={"examples": ["-created_at"]},
        ),
    ] = None,
) -> Window:
    """Return the page that the query asks for: the dependency `window` of list handlers."""
    if cursor is not None and offset is not None:
        raise BadRequestError(errors=(FieldProblem("cursor", "Give either `cursor` or `offset`, not both."),))
    return Window(limit, offset or 0, cursor, tuple(map(_key, sort.split(","))) if sort else ())


def _key(text: str) -> SortKey:
    name = text.strip()
    return SortKey(name.removeprefix("-"), name.startswith("-"))


def page_response(
    request: Request[Any, Any, Any], window: Window, rows: Slice, convert: Callable[[Any], ReadT]
) -> Response[Page[ReadT]]:
    """Return the page of these rows, each converted by `convert`."""
    page = Page([convert(row) for row in rows.rows], rows.total, window.limit, window.offset, rows.next_cursor)
    return Response(page, headers=_links(request, window, rows.next_cursor))


def _links(request: Request[Any, Any, Any], window: Window, next_cursor: str | None) -> dict[str, str]:
    if next_cursor is None:
        return {}
    kept = [(k, v) for k, v in request.query_params.multi_items() if k not in {"limit", "offset", "cursor"}]
    query = urlencode([*kept, ("limit", window.limit), ("cursor", next_cursor)])
    return {"Link": f'<{request.scope["path"]}?{query}>; rel="next"'}
