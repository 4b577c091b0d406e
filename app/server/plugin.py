"""`litestar run` with limits on what clients send, and on how long stopping may take."""

import faulthandler
import logging
import math
import os
import sys
from contextlib import ExitStack
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import click
from litestar.plugins import CLIPlugin

from app.core.settings import Settings
from app.server.sockets import Address, CannotListenError, bind_sockets, listen

if TYPE_CHECKING:
    import socket

    from litestar.cli._utils import LitestarEnv

    from app.server.uvicorn_server import Server

# Bytes of unfinished requests, of all clients of a process together.
_MAX_UNFINISHED = 64 * 1024 * 1024

log = logging.getLogger(__name__)
Options = dict[str, Any]


@runtime_checkable
class ListeningHook(Protocol):
    """A plugin that does something once the server's sockets listen, and before it serves."""

    def on_listening(self) -> None: ...


class RunCommand(CLIPlugin):
    """A plugin that replaces the callback of Litestar's own `run`, and keeps its options."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def on_cli_init(self, cli: click.Group) -> None:
        command = copy(cli.commands["run"])
        command.callback = self._run
        command.help = "Serve the application, which applies the migrations first where DB_AUTO_MIGRATE says so."
        cli.add_command(command)

    def _run(self, env: "LitestarEnv", **options: Any) -> None:  # noqa: ANN401 - those of Litestar's command
        _set_debugging(env, options)
        address = Address(options["host"], options["port"], options["uds"], options["fd"])
        try:
            with ExitStack() as stack:
                sockets = stack.enter_context(bind_sockets(address))
                address = address.with_port_of(sockets)
                # The banner shows the actual port, too.
                click.get_current_context().params["port"] = address.port
                server = self._server(env, options)
                for plugin in (one for one in env.app.plugins.cli if isinstance(one, CLIPlugin)):
                    stack.enter_context(plugin.server_lifespan(env.app))
                listen(sockets, address, server.config.backlog)
                log.info("Uvicorn running on %s (Press CTRL+C to quit)", address.url(secure=server.config.is_ssl))
                for hook in env.app.plugins:
                    if isinstance(hook, ListeningHook):
                        hook.on_listening()
                _serve(server, sockets)
        except CannotListenError as exc:
            log.error(str(exc))
            sys.exit(exc.exit_code)

    def _server(self, env: "LitestarEnv", options: Options) -> "Server":
        # Imported here because no other command needs a server.
        import uvicorn  # noqa: PLC0415

        from app.server.memory_budget import Budget  # noqa: PLC0415
        from app.server.protocol import BoundedProtocol, RequestLimits  # noqa: PLC0415
        from app.server.uvicorn_server import CANCEL_SECONDS, Server  # noqa: PLC0415

        settings = self._settings
        limits = RequestLimits(settings.request_head_timeout, settings.shutdown_timeout)
        protocol: Any = partial(BoundedProtocol, limits=limits, budget=Budget(_MAX_UNFINISHED))
        reloads = [list(options[name]) for name in ("reload_dir", "reload_include", "reload_exclude")]
        certificate, key = _tls_files(options)
        config = uvicorn.Config(
            env.app_path,
            factory=env.is_app_factory,
            http=protocol,
            ws="none",
            host=options["host"],
            port=options["port"],
            workers=options["wc"],
            reload=options["reload"] or any(reloads),
            reload_dirs=reloads[0] or None,
            reload_includes=reloads[1] or None,
            reload_excludes=reloads[2] or None,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            # X-Forwarded-For is believed only if it comes from these: by default not even from this machine.
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout) + CANCEL_SECONDS,
            # The application has configured all logging.
            log_config=None,
        )
        return Server(config)


def _set_debugging(env: "LitestarEnv", options: Options) -> None:
    """Turn on debugging in this process's application, and in those of its workers."""
    if options["debug"]:
        os.environ["LITESTAR_DEBUG"] = "1"
        env.app.debug = True
    if options["pdb"]:
        os.environ["LITESTAR_PDB"] = "1"
        env.app.pdb_on_exception = True


def _tls_files(options: Options) -> tuple[str, str] | tuple[None, None]:
    """Return the paths of certificate and key; None if the server is to have none."""
    from litestar.cli._utils import create_ssl_files, validate_ssl_file_paths  # noqa: PLC0415

    certificate, key = options["ssl_certfile"], options["ssl_keyfile"]
    if options["create_self_signed_cert"]:
        return create_ssl_files(certificate, key, options["host"])
    return validate_ssl_file_paths(certificate, key)


def _serve(server: "Server", sockets: "list[socket.socket]") -> None:
    """Serve until a signal comes. Exits the process where no worker could start, or several were stopped."""
    from uvicorn.config import STARTUP_FAILURE  # noqa: PLC0415

    from app.server.workers import Reloader, Workers  # noqa: PLC0415

    if server.config.should_reload:
        Reloader(server.config, server.run, sockets).run()
        return
    if server.config.workers > 1:
        sys.exit(Workers(server, sockets).run())
    try:
        server.run(sockets)
    except KeyboardInterrupt:
        return
    finally:
        faulthandler.cancel_dump_traceback_later()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
