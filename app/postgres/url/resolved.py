"""The URL of the very server, user and database that an open connection has, for programs that use libpq.

A name can have several addresses, and a URL several hosts or none. What the URL leaves open the driver takes from
libpq's variables, and its rules are not those of psql. So a program is given the server that was found, not the search.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ..secret import Secret
from .database_url import DatabaseURL
from .parameters import LIBPQ
from .syntax import Host
from .tls import TLS_PARAMETERS, tls_in_effect

# Parameters of the search for the server, and of each session.
_NOT_PASSED_ON = frozenset(
    {"service", "load_balance_hosts", "target_session_attrs", "application_name", "connect_timeout", "client_encoding"}
)
_SERVER_SEARCH = frozenset({"service", "load_balance_hosts", "target_session_attrs"})
_SOCKET = "/.s.PGSQL."


async def resolve_url(url: DatabaseURL, connection: AsyncConnection) -> DatabaseURL:
    """Return `url` with one host and its address, and with user, password and database as `connection` has them."""
    return resolve_url_to(url, (await connection.get_raw_connection()).driver_connection)


def resolve_url_to(url: DatabaseURL, driver: Any) -> DatabaseURL:  # noqa: ANN401 - of asyncpg or psycopg
    """Return the same as `resolve_url`, for the driver's own connection."""
    found, password = (_read_asyncpg if url.is_asyncpg else _read_psycopg)(url, driver)
    own = {name: value for name, value in url.parameters.items() if name not in _SERVER_SEARCH}
    host, port, user, database = (found.pop(name) for name in ("host", "port", "user", "dbname"))
    return replace(
        url,
        hosts=(Host(host, int(port)),),
        user=user,
        password=Secret(password) if password else None,
        database=database,
        parameters={**own, **found},
    )


def _read_asyncpg(url: DatabaseURL, driver: Any) -> tuple[dict[str, str], str | None]:  # noqa: ANN401 - of a driver
    # asyncpg keeps to itself where it is connected; pyproject.toml holds it to the releases that keep it so.
    address, parameters = driver._addr, driver._params  # noqa: SLF001
    found = {"user": parameters.user, "dbname": parameters.database, "gssencmode": "disable"}
    if isinstance(address, str):
        directory, _, port = address.rpartition(_SOCKET)
        return {**found, "host": directory, "port": port}, parameters.password
    host, port = address
    peer = driver._transport.get_extra_info("peername")[0]  # noqa: SLF001
    tls = tls_in_effect(url.parameters)
    return {**found, **tls, "host": host, "port": str(port), "hostaddr": peer}, parameters.password


def _read_psycopg(url: DatabaseURL, driver: Any) -> tuple[dict[str, str], str | None]:  # noqa: ANN401, ARG001
    info = driver.info
    found = {"host": info.host, "port": str(info.port), "user": info.user, "dbname": info.dbname}
    # libpq's own, also from its variables; a socket has neither an address nor TLS.
    used = {k: v for k, v in info.get_parameters().items() if k in LIBPQ and k not in _NOT_PASSED_ON}
    if info.hostaddr:
        return {**used, **found, "hostaddr": info.hostaddr}, info.password
    return {k: v for k, v in used.items() if k != "hostaddr" and k not in TLS_PARAMETERS} | found, info.password
