"""A client of an application whose readiness looks at another database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from app.asgi import create_app
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.db.readiness import Readiness
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import client_of, settings_for, started


@asynccontextmanager
async def client_with_readiness_of(settings: Settings, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A running application whose readiness looks at another database than its own."""
    async with started(create_app(settings)) as application:
        plugin = application.plugins.get(DatabasePlugin)
        plugin._readiness = Readiness(settings_for(url), normalize_database_url(url))
        async with client_of(application, token=None) as client:
            yield client
