"""Create engines for a database URL: one with a pool, and one whose connections end with their use."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from . import passwords
from .ping import ping_when_idle
from .pool import FairPool
from .psycopg_connect import connect_psycopg
from .tcp_keepalive import LIBPQ_KEEPALIVES
from .termination import TerminationAwareConnection, add_termination_cause_on_error
from .url.database_url import DatabaseURL, normalize_database_url
from .url.drivers import unshared_statements

_JSON = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}


class PoolLimits(NamedTuple):
    """The limits of a pool: numbers of connections, and times in seconds."""

    size: int
    overflow: int
    connect_timeout: float
    wait: float
    recycle: int
    statement_timeout: float


def create_pooled_engine(url: DatabaseURL, limits: PoolLimits, application: str) -> AsyncEngine:
    """Return an engine with a pool, which hands out an idle connection only after it has answered.

    `application` is the name that the server shows for its sessions.
    """
    engine = create_async_engine(
        url.sqlalchemy,
        connect_args=_pooled_arguments(url, limits, application),
        poolclass=FairPool,
        pool_size=limits.size,
        max_overflow=limits.overflow,
        pool_timeout=limits.wait,
        pool_recycle=limits.recycle,
        hide_parameters=True,
        **_JSON,
    )
    event.listen(engine.sync_engine, "handle_error", add_termination_cause_on_error)
    # The other half of the time is for a new connection.
    ping_when_idle(engine.sync_engine, limits.connect_timeout / 2)
    return engine


def create_unpooled_engine(url: DatabaseURL, connect_timeout: float, application: str = "plimsoll") -> AsyncEngine:
    """Return an engine for a few connections that end with their use. `connect_timeout` is in seconds.

    `application` is the name that the server shows for them. They work through any pooler, if only to find out that
    there is one.
    """
    arguments = _with_application_name(
        url, with_connect_timeout(url, connect_timeout), application
    ) | unshared_statements(url.driver)
    if not url.is_asyncpg:
        arguments["async_creator_fn"] = partial(connect_psycopg, partial(_asyncpg_engine, url, connect_timeout))
    engine = create_async_engine(
        url.sqlalchemy, connect_args=arguments, poolclass=NullPool, hide_parameters=True, **_JSON
    )
    event.listen(engine.sync_engine, "handle_error", add_termination_cause_on_error)
    return engine


def _asyncpg_engine(url: DatabaseURL, connect_timeout: float) -> AsyncEngine:
    """Return an engine of asyncpg for the same server. Raises SettingsError where asyncpg does not take the URL."""
    return create_unpooled_engine(normalize_database_url(replace(url, driver="asyncpg").render()), connect_timeout)


# Set, so that the driver does not take them from libpq's variables: the server's kind and address, TLS for a socket.
_ASYNCPG_OVERRIDES = {"target_session_attrs": "any"}
_ASYNCPG_SOCKET_OVERRIDES = {"ssl": False, "direct_tls": False}
_PSYCOPG_OVERRIDES = {"target_session_attrs": "any", "hostaddr": "", **LIBPQ_KEEPALIVES}


def with_connect_timeout(url: DatabaseURL, seconds: float) -> dict[str, Any]:
    """Return the driver's arguments with a limit on connecting; a shorter `connect_timeout` of the URL stays."""
    key = "timeout" if url.is_asyncpg else "connect_timeout"
    arguments = {**(_ASYNCPG_OVERRIDES if url.is_asyncpg else _PSYCOPG_OVERRIDES), **url.connect_args}
    if url.hosts and all(host.is_socket for host in url.hosts) and url.is_asyncpg:
        arguments |= _ASYNCPG_SOCKET_OVERRIDES
    given = arguments.get(key)
    limit = seconds if given is None else min(seconds, float(given))
    # libpq reads whole seconds and takes less than 2 for 2.
    return {**arguments, key: limit if key == "timeout" else max(2, round(limit))}


def _with_application_name(url: DatabaseURL, arguments: dict[str, Any], application: str) -> dict[str, Any]:
    """Return the arguments with an application name, unless the URL has given one."""
    if not url.is_asyncpg:
        return {"application_name": application, **arguments}
    settings = {"application_name": application, **arguments.get("server_settings", {})}
    opening = {"async_creator_fn": passwords.connect, "connection_class": TerminationAwareConnection}
    return {**opening, **arguments, "server_settings": settings}


def _pooled_arguments(url: DatabaseURL, limits: PoolLimits, application: str) -> dict[str, Any]:
    arguments = _with_application_name(url, with_connect_timeout(url, limits.connect_timeout), application)
    if url.is_asyncpg:
        # A server that stops answering in the middle of a statement must not hold a request for ever.
        arguments["command_timeout"] = limits.statement_timeout
    return arguments
