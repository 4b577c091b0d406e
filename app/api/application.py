"""The application that serves requests, wired together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from litestar import Litestar
from litestar.datastructures import State
from litestar.plugins import PluginProtocol

from app import __version__
from app.api.banner import Banner
from app.api.compatibility.plugin import MissionControl
from app.api.http.cors import cors_config
from app.api.http.exception_handlers import EXCEPTION_HANDLERS
from app.api.http.head import Application, complete_allow
from app.api.http.idempotency import note_error
from app.api.http.request_id import RequestIdMiddleware, send_request_id
from app.api.http.request_metrics import RequestMetrics
from app.api.http.security_headers import security_headers
from app.api.http.worker_metrics import WorkerMetrics
from app.api.openapi.document import openapi_config
from app.api.operations.plugin import OperationsPlugin
from app.api.routes import route_handlers
from app.api.stream_hub import StreamPlugin
from app.core.dev_secrets import with_secrets
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.core.tracing import tracing_of
from app.db.plugin import DatabasePlugin

if TYPE_CHECKING:
    from app.core.tracing.provider import Tracing

_MAX_BODY_BYTES = 1024 * 1024


def build(given: Settings, *further: PluginProtocol) -> Litestar:
    """Return a new application with these settings and `further` plugins. Raises SettingsError."""
    settings = with_secrets(given)
    configure_logging(settings)
    tracing = tracing_of(settings)
    return Application(
        tracing=tracing,
        # It ends last, so that everything before it is in the traces.
        lifespan=[] if tracing is None else [partial(_flushing_at_end, tracing)],
        route_handlers=route_handlers(settings),
        plugins=[
            DatabasePlugin(settings),
            StreamPlugin(),
            RequestMetrics(),
            WorkerMetrics(),
            OperationsPlugin(),
            Banner(settings, token_was_made=given.local_auth_token is None),
            *([MissionControl()] if settings.api_compatibility else ()),
            *further,
        ],
        middleware=[RequestIdMiddleware()],
        after_exception=[note_error],
        before_send=[send_request_id, complete_allow, security_headers(settings)],
        cors_config=cors_config(settings),
        exception_handlers=EXCEPTION_HANDLERS,
        state=State({"public_base_url": settings.public_base_url}),
        openapi_config=openapi_config(__version__),
        request_max_body_size=_MAX_BODY_BYTES,
        # Errors are logged by the exception handlers, without SQL; Litestar's own logging would print it.
        logging_config=None,
    )


@asynccontextmanager
async def _flushing_at_end(tracing: "Tracing", app: Litestar) -> AsyncIterator[None]:  # noqa: ARG001 - Litestar's
    # A server that SIGTERM stops ends by the signal, which runs nothing of the process's end.
    try:
        yield
    finally:
        await asyncio.to_thread(tracing.flush)
