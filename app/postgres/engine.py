"""The engine and the session factory, built from Settings; and which database the settings mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.core.config import Settings
from app.postgres import passwords
from app.postgres.keepalive import OF_LIBPQ
from app.postgres.last_words import AttentiveConnection, on_error
from app.postgres.ping import ping_when_idle
from app.postgres.pool import FairPool
from app.postgres.psycopg_reasons import connect_or_explain
from app.postgres.url.database_url import DatabaseURL, normalize_database_url
from app.postgres.url.drivers import unshared_statements

_JSON = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}


@contextmanager
def database(settings: Settings) -> Iterator[DatabaseURL]:
    """The URL of the database that the settings mean.

    Without DATABASE_URL (in dev only, which Settings sees to) that is the PostgreSQL that starts by itself; it runs
    at least as long as this context. Blocks while it starts: call it in a thread from asynchronous code.
    Raises SettingsError and EmbeddedPostgresError.
    """
    if settings.database_url is not None:
        yield normalize_database_url(settings.database_url.reveal())
        return
    # Imported here because the production image is without the wheel that it needs.
    from app.postgres.dev_server.server import acquire  # noqa: PLC0415

    with acquire(settings.data_dir) as server:
        yield normalize_database_url(server.url)


@contextmanager
def migration_database(settings: Settings) -> Iterator[DatabaseURL]:
    """The URL that schema changes take to that database: MIGRATION_DATABASE_URL where there is one, as `database`."""
    if settings.migration_database_url is not None:
        yield normalize_database_url(settings.migration_database_url.reveal(), "MIGRATION_DATABASE_URL")
        return
    with database(settings) as url:
        yield url


def create_engine(settings: Settings, url: DatabaseURL, wait: float | None = None) -> AsyncEngine:
    """The application's engine: pooled, and no connection that has been idle is handed out unless it answers.

    `wait` in seconds for one that others have, where that is less than for connecting.
    """
    engine = create_async_engine(
        url.sqlalchemy,
        connect_args=_connect_args(settings, url),
        poolclass=FairPool,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
        pool_timeout=settings.db_pool_timeout if wait is None else wait,
        pool_recycle=settings.db_pool_recycle,
        hide_parameters=True,
        **_JSON,
    )
    event.listen(engine.sync_engine, "handle_error", on_error)
    # What is left of the time is for connecting anew.
    ping_when_idle(engine.sync_engine, settings.db_pool_timeout / 2)
    return engine


def create_unpooled_engine(url: DatabaseURL, connect_timeout: float, application: str = "plimsoll") -> AsyncEngine:
    """An engine for a few connections that end with their use: migrations and checks. `connect_timeout` in seconds.

    `application` is the name by which the server shows them. They work through any pooler, too, if only to find out
    that there is one.
    """
    arguments = _named(url, with_connect_timeout(url, connect_timeout), application) | unshared_statements(url.driver)
    if not url.is_asyncpg:
        arguments["async_creator_fn"] = partial(connect_or_explain, partial(_asked_by_asyncpg, url, connect_timeout))
    engine = create_async_engine(
        url.sqlalchemy, connect_args=arguments, poolclass=NullPool, hide_parameters=True, **_JSON
    )
    event.listen(engine.sync_engine, "handle_error", on_error)
    return engine


def _asked_by_asyncpg(url: DatabaseURL, connect_timeout: float) -> AsyncEngine:
    """Raises SettingsError where asyncpg does not take the URL."""
    return create_unpooled_engine(normalize_database_url(replace(url, driver="asyncpg").render()), connect_timeout)


# What a driver would take from libpq's variables: of which kind the server is, where it is, and TLS for a socket.
_ASYNCPG = {"target_session_attrs": "any"}
_ASYNCPG_SOCKET = {"ssl": False, "direct_tls": False}
_PSYCOPG = {"target_session_attrs": "any", "hostaddr": "", **OF_LIBPQ}


def with_connect_timeout(url: DatabaseURL, seconds: float) -> dict[str, Any]:
    """The driver's arguments with an upper limit on connecting; a URL's own `connect_timeout` stays if shorter."""
    key = "timeout" if url.is_asyncpg else "connect_timeout"
    arguments = {**(_ASYNCPG if url.is_asyncpg else _PSYCOPG), **url.connect_args}
    if url.hosts and all(host.is_socket for host in url.hosts) and url.is_asyncpg:
        arguments |= _ASYNCPG_SOCKET
    given = arguments.get(key)
    limit = seconds if given is None else min(seconds, float(given))
    # libpq reads whole seconds and takes less than 2 for 2.
    return {**arguments, key: limit if key == "timeout" else max(2, round(limit))}


def _named(url: DatabaseURL, arguments: dict[str, Any], application: str) -> dict[str, Any]:
    """The arguments with an application name, unless the URL has given one."""
    if not url.is_asyncpg:
        return {"application_name": application, **arguments}
    settings = {"application_name": application, **arguments.get("server_settings", {})}
    opening = {"async_creator_fn": passwords.connect, "connection_class": AttentiveConnection}
    return {**opening, **arguments, "server_settings": settings}


def _connect_args(settings: Settings, url: DatabaseURL) -> dict[str, Any]:
    arguments = _named(url, with_connect_timeout(url, settings.db_pool_timeout), "plimsoll")
    if url.is_asyncpg:
        # A server that stops answering in the middle of a statement must not hold a request for ever.
        arguments["command_timeout"] = settings.db_statement_timeout
    return arguments
