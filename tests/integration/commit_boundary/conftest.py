"""An application whose handlers store, fail, wait and pause, and who looks at its database beside it."""

from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.settings import Settings
from tests.conftest import client_of, started
from tests.support.commit_boundary import application_of, observing


@pytest.fixture
async def observer(settings: Settings) -> AsyncIterator[AsyncConnection]:
    async with observing(settings) as connection:
        yield connection


@pytest.fixture
async def app(settings: Settings, observer: AsyncConnection) -> AsyncIterator[Litestar]:
    async with started(application_of(settings)) as application:
        yield application


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, token=None) as connected:
        yield connected
