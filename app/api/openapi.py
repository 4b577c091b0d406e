"""The OpenAPI document at /schema, and its interactive page from files of our own: it works without a network."""

from importlib.util import find_spec
from pathlib import Path

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.static_files import create_static_files_router

_ASSETS = "/schema-assets"


def openapi_config(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Plimsoll",
        version=version,
        description="Boards, tasks, agents, approvals and what happened to them, for teams of people and AI agents.",
        path="/schema",
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", description="`Authorization: Bearer <token>`")
            }
        ),
        security=[{"bearer": []}],
        render_plugins=[
            SwaggerRenderPlugin(
                path=["/", "/swagger"],
                js_url=f"{_ASSETS}/swagger-ui-bundle.js",
                css_url=f"{_ASSETS}/swagger-ui.css",
                standalone_preset_js_url=f"{_ASSETS}/swagger-ui-standalone-preset.js",
                favicon=f"<link rel='icon' type='image/png' href='{_ASSETS}/favicon-32x32.png'>",
            )
        ],
    )


def swagger_assets() -> Router:
    """Swagger UI's own files, as the swagger-ui-py wheel brings them."""
    spec = find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("The package swagger-ui-py is not installed.")
    directory = Path(spec.submodule_search_locations[0]) / "static"
    return create_static_files_router(_ASSETS, [directory], include_in_schema=False)
