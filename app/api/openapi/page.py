"""The interactive page of the OpenAPI document. We serve its files: it works without a network."""

from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

from litestar import Request, Router, get
from litestar.file_system import BaseLocalFileSystem
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.types import FileInfo, PathType

DOCUMENT_PATH = "/schema"
_ASSETS = "/schema-assets"
# The mark on a ship's hull: a circle with a line through it.
_ICON = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' stroke='teal'"
    " stroke-width='2'><circle cx='8' cy='8' r='5'/><path d='M0 8h16'/></svg>"
)


class InteractivePage(OpenAPIRenderPlugin):
    """Swagger UI as `assets/page.js` sets it up. Litestar's own plugin has no option for that."""

    def __init__(self) -> None:
        super().__init__(path=["/", "/swagger"])

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        # No script stands in the page itself, so that its Content-Security-Policy can forbid such scripts.
        return f"""\
<!doctype html>
<html lang="en">
  <head>
    <title>{openapi_schema["info"]["title"]}</title>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="{_ICON}">
    <link rel="stylesheet" href="{_ASSETS}/stylesheets/swagger-ui.css">
    <script src="{_ASSETS}/javascripts/swagger-ui-bundle.js" defer></script>
    <script src="{_ASSETS}/page.js" defer></script>
  </head>
  <body>
    <div id="swagger-ui" data-url="{self.get_openapi_json_route(request)}"></div>
  </body>
</html>
""".encode()


@get("/", include_in_schema=False, sync_to_thread=False)
def show_page() -> Redirect:
    """Lead whoever opens the bare address of the server to the page."""
    return Redirect(DOCUMENT_PATH)


def page_assets() -> Router:
    """Return the route of the page's files: ours, and Swagger UI's, which the package mkdocs-swagger-ui-tag contains.

    Of the packages that contain them it is the smallest that needs no web framework of its own.
    """
    spec = find_spec("mkdocs_swagger_ui_tag")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("The package mkdocs-swagger-ui-tag is not installed.")
    directories: list[str | PathLike[str]] = [
        Path(spec.submodule_search_locations[0]) / "swagger-ui",
        Path(__file__).with_name("assets"),
    ]
    return create_static_files_router(_ASSETS, directories, file_system=_Files(), include_in_schema=False)


class _Files(BaseLocalFileSystem):
    """A file system that finds nothing at an impossible path: with a NUL, below a file, or too long."""

    async def info(self, path: PathType, **kwargs: Any) -> FileInfo:  # noqa: ANN401 - Litestar's signature
        try:
            return await super().info(path, **kwargs)
        except (OSError, ValueError):
            raise FileNotFoundError(path) from None
