"""Whose word on a client's address is taken: that of the proxies that the settings name, and of nobody else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
from litestar import Litestar
from litestar.plugins import CLIPlugin

from app.core.config import Settings

# uvicorn reads it when it starts; unset it would believe whoever connects from this machine.
_VARIABLE = "FORWARDED_ALLOW_IPS"


class TrustedProxies(CLIPlugin):
    """Tells the server of `litestar run`, which then has the client's own address where the proxy's would be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def on_cli_init(self, cli: click.Group) -> None:
        """No command of its own."""

    @contextmanager
    def server_lifespan(self, app: Litestar) -> Iterator[None]:  # noqa: ARG002 - Litestar's signature
        os.environ[_VARIABLE] = ",".join(self._settings.trusted_proxies)
        yield
