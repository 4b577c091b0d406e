"""Is the process alive, and can it serve."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, get

from app.api.openapi.errors import problems
from app.db.plugin import DatabasePlugin

_ALIVE = "The process answers. Never touches the database."


class Health(msgspec.Struct, frozen=True):
    status: str = "ok"


class Ready(msgspec.Struct, frozen=True):
    """Both are "ok"; where one is not, the answer is a 503 whose code says which."""

    status: str = "ready"
    database: str = "ok"
    schema: str = "ok"


@get("/health", operation_id="health", summary="Alive", description=_ALIVE, tags=["health"], security=[{}])
async def health() -> Health:
    return Health()


@get("/healthz", operation_id="healthz", summary="Alive", description=_ALIVE, tags=["health"], security=[{}])
async def healthz() -> Health:
    return Health()


@get(
    "/readyz",
    operation_id="readyz",
    security=[{}],
    summary="Ready",
    description=(
        "503 when the database does not answer within 2 s (code `database_unreachable`), its schema is behind this"
        " release (`schema_behind`), a newer release has taken away what this one uses (`schema_contracted`), or the"
        " database can only be read (`database_read_only`)."
    ),
    tags=["health"],
    responses=problems(503),
    status_code=HTTPStatus.OK.value,
)
async def readyz(request: Request[Any, Any, Any]) -> Ready:
    await request.app.plugins.get(DatabasePlugin).readiness.check()
    return Ready()
