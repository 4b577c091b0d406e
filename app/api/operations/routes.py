"""/operations, its events and its files. No browser keeps them, and nothing of them is in the OpenAPI document."""

from pathlib import Path
from typing import Any

from litestar import MediaType, Request, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Response, Stream

from app.api.http.request_metrics import PROBE
from app.api.operations.access import require_operator
from app.api.operations.plugin import OperationsPlugin

# The last header tells nginx not to buffer the events.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
_ASSETS = Path(__file__).with_name("assets")
_MEDIA_TYPES = {
    "operations.css": "text/css",
    "operations.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@get("/", media_type=MediaType.HTML)
async def show_page(request: Request[Any, Any, Any]) -> Response[str]:
    page = await request.app.plugins.get(OperationsPlugin).page()
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
    return Response(await page.render(), media_type=MediaType.HTML, headers=headers)


@get("/events")
async def stream_parts(request: Request[Any, Any, Any]) -> Stream:
    page = await request.app.plugins.get(OperationsPlugin).page()
    return Stream(page.follow(), headers=_HEADERS, media_type="text/event-stream")


@get("/assets/{name:str}", sync_to_thread=False)
def send_asset(name: FromPath[str]) -> Response[bytes]:
    if name not in _MEDIA_TYPES:
        raise NotFoundException
    return Response((_ASSETS / name).read_bytes(), media_type=_MEDIA_TYPES[name], headers=_HEADERS)


def operations_page() -> Router:
    """Return the routes, which are a probe's: no client feels how long they take."""
    return Router(
        "/operations",
        route_handlers=[show_page, stream_parts, send_asset],
        guards=[require_operator],
        include_in_schema=False,
        opt={PROBE: True},
    )
