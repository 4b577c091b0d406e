"""Liveness and readiness of the process."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, get

from app.api.http.request_metrics import PROBE
from app.api.openapi.errors import problems
from app.db.plugin import DatabasePlugin

_ALIVE = "It answers 200 as long as the process runs, and does not use the database."


class Health(msgspec.Struct, frozen=True):
    status: str = "ok"
    ok: bool = True


class Ready(msgspec.Struct, frozen=True):
    """The answer of a process that can serve. Otherwise it is a 503 whose `code` says why."""

    status: str = "ready"
    database: str = "ok"
    schema: str = "ok"
    ok: bool = True


@get(
    "/health",
    operation_id="health",
    summary="Check that the process is alive",
    description=_ALIVE,
    tags=["health"],
    security=[{}],
    opt={PROBE: True},
)
async def health() -> Health:
    return Health()


@get(
    "/healthz",
    operation_id="healthz",
    summary="Check that the process is alive",
    description=_ALIVE,
    tags=["health"],
    security=[{}],
    opt={PROBE: True},
)
async def healthz() -> Health:
    return Health()


@get(
    "/readyz",
    operation_id="readyz",
    security=[{}],
    opt={PROBE: True},
    summary="Check that the process can serve requests",
    description=(
        "It answers 503 if the database does not answer within 2 s (code `database_unreachable`), its schema is behind"
        " this release (`schema_behind`), a newer release has removed what this one uses (`schema_contracted`), or the"
        " database can only be read (`database_read_only`)."
    ),
    tags=["health"],
    responses=problems(503),
    status_code=HTTPStatus.OK.value,
)
async def readyz(request: Request[Any, Any, Any]) -> Ready:
    await request.app.plugins.get(DatabasePlugin).readiness.check()
    return Ready()
