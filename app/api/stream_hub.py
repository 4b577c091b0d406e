"""The plugin that owns the process's stream hub. It ends the streams before the server waits for responses to end."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.plugins import InitPlugin

from app.db.plugin import DatabasePlugin
from app.services.stream_hub import Hub


class StreamPlugin(InitPlugin):
    """Provides the dependency `hub`. It must come after DatabasePlugin, whose sessions it uses."""

    def __init__(self) -> None:
        self._hub: Hub | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan.append(self._lifespan)
        app_config.dependencies["hub"] = Provide(self._provide, sync_to_thread=False)
        return app_config

    @property
    def open_streams(self) -> int:
        return 0 if self._hub is None else self._hub.readers

    def _provide(self) -> Hub:
        assert self._hub is not None, "the application has started"
        return self._hub

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncIterator[None]:
        database = app.plugins.get(DatabasePlugin)
        self._hub = Hub(database.sessions, database.notifications)
        with call_at_shutdown(self._hub.end):
            try:
                yield
            finally:
                await self._hub.close()


@contextmanager
def call_at_shutdown(callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback` at SIGTERM and SIGINT, and then the server's own handlers.

    A server ends the application only after all responses have ended, and a stream does not end by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        handler = previous[signal.Signals(number)]
        assert callable(handler), "only callable ones are replaced"
        handler(number, frame)

    replaced = [number for number, handler in previous.items() if callable(handler)]
    for number in replaced:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in replaced:
            if signal.getsignal(number) is handle:
                signal.signal(number, previous[number])
