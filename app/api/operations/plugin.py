"""The plugin of the operations page. Nothing of the page is imported before somebody opens it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin

from app.api.stream_hub import call_at_shutdown

if TYPE_CHECKING:
    from app.api.operations.page import OperationsPage


class OperationsPlugin(InitPlugin):
    """Makes the page at the first request for it, and ends its streams before the server waits for them."""

    def __init__(self) -> None:
        self._app: Litestar | None = None
        self._page: OperationsPage | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan.append(self._lifespan)
        return app_config

    async def page(self) -> "OperationsPage":
        if self._page is None:
            # In a thread, because requests would wait for the import.
            module = await asyncio.to_thread(import_module, "app.api.operations.page")
            assert self._app is not None, "the application has started"
            # Another request may have made it meanwhile.
            self._page = self._page or module.OperationsPage(self._app)
        return self._page

    def _end(self) -> None:
        if self._page is not None:
            self._page.end()

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncIterator[None]:
        self._app = app
        with call_at_shutdown(self._end):
            try:
                yield
            finally:
                if self._page is not None:
                    await self._page.close()
                    self._page = None
