"""The operations page as HTML, whole and in parts that change while somebody watches."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Litestar

from app import __version__
from app.api.http.worker_metrics import WorkerMetrics
from app.api.operations.backfill_rates import BackfillRates
from app.api.operations.collector import FRESH_FOR
from app.api.operations.filters import FILTERS
from app.api.operations.sources import new_collector
from app.api.operations.views import PARTS, Process
from app.api.stream_hub import StreamPlugin
from app.core.asyncio_tasks import finish_or_cancel
from app.core.errors import ServiceUnavailableError
from app.db.plugin import DatabasePlugin

_MOST_WATCHERS = 50
# Seconds: after which a stream ends, so that the browser signs in again; and without anything sent, at most.
_WATCH_FOR = 300.0
_SILENT_FOR = 15.0
_COME_BACK_AFTER = b"retry: 2000\n\n"
_SIGN_OF_LIFE = b": still here\n\n"

log = structlog.stdlib.get_logger(__name__)


class TooManyWatchersError(ServiceUnavailableError):
    code = "too_many_watchers"
    default_detail = f"{_MOST_WATCHERS} others follow the operations page live already: reload it instead."


class OperationsPage:
    """The page of one process. While somebody watches, one task collects and renders for all who do."""

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._collector = new_collector(app.plugins.get(DatabasePlugin))
        self._rates = BackfillRates()
        self._templates = Environment(
            loader=PackageLoader("app.api.operations"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(FILTERS)
        self._parts: Mapping[str, str] = {}
        self._changed = asyncio.Event()
        self._watchers = 0
        self._running: asyncio.Task[None] | None = None
        self._is_closed = False

    async def render(self) -> str:
        """Return the whole page, which is complete without any script."""
        await self._collector.collect()
        parts = await self._render_parts()
        return self._templates.get_template("page.html").render(parts=parts, release=__version__)

    def follow(self) -> AsyncIterator[bytes]:
        """Return the server-sent events of a watcher: parts as HTML, all at first. Raises TooManyWatchersError."""
        if self._watchers >= _MOST_WATCHERS:
            raise TooManyWatchersError
        return self._events()

    def end(self) -> None:
        """Tell all watchers to end, which they do by themselves, at once."""
        self._is_closed = True
        self._changed.set()

    async def close(self) -> None:
        self.end()
        if self._running is not None:
            await finish_or_cancel(self._running, seconds=0.2)
        await self._collector.close()

    async def _events(self) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        ends_at, spoke_at = clock() + _WATCH_FOR, clock()
        sent: dict[str, str] = {}
        self._watchers += 1
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        try:
            yield _COME_BACK_AFTER
            while not self._is_closed and clock() < ends_at:
                changed = {name: html for name, html in self._parts.items() if sent.get(name) != html}
                if changed:
                    sent |= changed
                    yield b"".join(_event(name, html) for name, html in changed.items())
                    spoke_at = clock()
                elif clock() - spoke_at >= _SILENT_FOR:
                    yield _SIGN_OF_LIFE
                    spoke_at = clock()
                await self._changed.wait()
        finally:
            self._watchers -= 1

    async def _run(self) -> None:
        """Collect and render, until nobody watches any more."""
        while self._watchers and not self._is_closed:
            await self._collector.collect()
            self._parts = await self._render_parts()
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
            if self._is_closed:
                self._changed.set()
            await asyncio.sleep(FRESH_FOR)
        # Who comes later begins with what is true then.
        self._parts = {}

    async def _render_parts(self) -> dict[str, str]:
        process = Process(
            self._app.plugins.get(DatabasePlugin),
            await self._app.plugins.get(WorkerMetrics).recent(),
            self._app.plugins.get(StreamPlugin).open_streams,
            self._watchers,
            self._rates,
        )
        parts = {}
        for name in PARTS:
            parts[name] = self._render_part(name, process)
            # All parts at once would hold requests up for some milliseconds.
            await asyncio.sleep(0)
        return parts

    def _render_part(self, name: str, process: Process) -> str:
        try:
            return self._templates.get_template(f"{name}.html").render(PARTS[name](self._collector, process))
        # The other parts are still to be shown, and watchers to be told.
        except Exception as exc:
            log.error("a part of the operations page cannot be shown", part=name, exc_info=exc)
            return self._templates.get_template("broken.html").render(part=name)


def _event(name: str, html: str) -> bytes:
    """Return the part as one server-sent event, each of its lines as a line of data."""
    data = "\n".join(f"data: {line}" for line in html.splitlines())
    return f"event: {name}\n{data}\n\n".encode()
