"""The application behind a real server, for what httpx's transport does not do: connections that are cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar import Litestar

from tests.support.waiting import PATIENCE


@asynccontextmanager
async def served(application: Litestar) -> AsyncIterator[int]:
    """The application behind a real server on a free port of the loopback; its lifespan is the fixture's."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        while not server.started:
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task
