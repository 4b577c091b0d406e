"""The application, wired: settings in, Litestar out."""

import sys

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from app import __version__
from app.api import route_handlers
from app.api.banner import Banner
from app.api.exception_handlers import EXCEPTION_HANDLERS
from app.api.openapi import openapi_config
from app.api.pagination import provide_window
from app.api.proxies import TrustedProxies
from app.api.request_id import RequestIdMiddleware, send_request_id
from app.api.stream_hub import StreamPlugin
from app.cli.plugin import Commands, runs_own_command
from app.core.config import Settings
from app.core.errors import SettingsError
from app.core.local_token import with_secrets
from app.core.logging import configure_logging
from app.db.plugin import DatabaseCommands, DatabasePlugin

_MAX_BODY_BYTES = 1024 * 1024


def create_app(settings: Settings | None = None) -> Litestar:
    """A new application; without `settings`, of the environment's. A wrong setting ends the process (exit code 2).

    Under `litestar database …` and `litestar users …` it serves nothing and reads no settings: the command does, and
    says what is wrong.
    """
    if settings is None and runs_own_command():
        return Litestar(plugins=[DatabaseCommands(), Commands()], openapi_config=None, logging_config=None)
    try:
        return _build(settings or Settings.load())
    except SettingsError as exc:
        sys.stderr.write(f"Error: {exc}\n")
        sys.exit(exc.exit_code)


def _build(given: Settings) -> Litestar:
    settings = with_secrets(given)
    configure_logging(settings)
    return Litestar(
        route_handlers=route_handlers(settings),
        plugins=[
            DatabasePlugin(settings),
            Commands(),
            StreamPlugin(),
            TrustedProxies(settings),
            Banner(settings, token_was_made=given.local_auth_token is None),
        ],
        middleware=[RequestIdMiddleware()],
        before_send=[send_request_id],
        dependencies={"window": Provide(provide_window, sync_to_thread=False)},
        exception_handlers=EXCEPTION_HANDLERS,
        state=State({"public_base_url": settings.public_base_url}),
        openapi_config=openapi_config(__version__),
        request_max_body_size=_MAX_BODY_BYTES,
        # Errors are logged by the exception handlers, without SQL; Litestar's own logging would print it.
        logging_config=None,
    )
