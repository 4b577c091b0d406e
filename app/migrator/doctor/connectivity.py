"""The connection to a server, step by step: name, TCP or socket, TLS, login, database."""

import asyncio
import shlex
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ...postgres.connect_failure import (
    ACCESS_DENIED,
    NO_DATABASE,
    NO_PASSWORD,
    WRONG_PASSWORD,
    ConnectFailure,
    classify_connect_error,
)
from ...postgres.settings_error import SettingsError
from ...postgres.url.database_url import DatabaseURL
from ...postgres.url.drivers import DEFAULT_PORT
from ...postgres.url.syntax import Host
from .finding import CheckLimits, Finding, note, ok, problem, psql, sentence, warning
from .poolers import doctor_engine
from .tls import check_tls

Step = tuple[str, Finding]


class Advice(NamedTuple):
    """Why a login failed, and what to type next."""

    why: str
    command: Callable[[DatabaseURL], str]


_ADVICE: dict[ConnectFailure, Advice] = {
    WRONG_PASSWORD: Advice(
        "Try user and password by hand. In the URL, a password's @ : / ? # % & must be written as %40 %3A and so on.",
        lambda url: psql(url, "SELECT 1"),
    ),
    NO_PASSWORD: Advice(
        "Put it into the URL, the file that holds the URL, PGPASSWORD, or a password file of mode 600.",
        lambda url: psql(url, "SELECT 1"),
    ),
    ACCESS_DENIED: Advice(
        "pg_hba.conf on the server has no line for this user, database, address and (or no) TLS.",
        lambda url: psql(url, "SELECT 1"),
    ),
    NO_DATABASE: Advice(
        "Correct the name in the URL, or create the database: this lists those that there are.",
        lambda url: psql(replace(url, database="postgres"), "SELECT datname FROM pg_database"),
    ),
}
_ANY_OTHER = Advice("The server's log says more.", lambda url: psql(url, "SELECT 1"))


async def check_connectivity(url: DatabaseURL, limits: CheckLimits) -> tuple[list[Step], bool]:
    """Return the findings, each with its step's name, and whether a session could be opened."""
    if not url.hosts:
        no_host = note("The URL names no host: the driver looks for PGHOST, a Unix socket, then localhost.")
        steps, passed = [("dns", no_host)], True
    else:
        found = await asyncio.gather(*(_host(url, host, limits) for host in url.hosts))
        # One of several hosts is enough, so that failures of the others are warnings.
        passed = any(there for _, there in found)
        steps = [(name, _as_warning(finding) if passed else finding) for part, _ in found for name, finding in part]
    if not passed:
        return [*steps, ("login", note("Not reached: no host lets us as far as the login."))], False
    login = await _login(url, limits)
    return [*steps, *login], all(finding.severity != "problem" for _, finding in login)


async def _host(url: DatabaseURL, host: Host, limits: CheckLimits) -> tuple[list[Step], bool]:
    port = host.port or DEFAULT_PORT
    if host.is_socket:
        finding = _socket(Path(host.name) / f".s.PGSQL.{port}")
        return [("socket", finding)], finding.severity == "ok"
    resolved = await _resolve(host.name, port, limits)
    if isinstance(resolved, Finding):
        return [("dns", resolved), *_not_reached("tcp", "tls", what=f"{host.name} has no address")], False
    steps: list[Step] = [("dns", ok(_resolved(host.name, resolved)))]
    tried = await asyncio.gather(*(_connect(address, port, limits) for address in resolved))
    there = any(finding.severity == "ok" for finding in tried)
    steps += [("tcp", _as_warning(finding) if there else finding) for finding in tried]
    if not there:
        return [*steps, *_not_reached("tls", what=f"there is no connection to {host.name}:{port}")], False
    findings, passed = await check_tls(url, host.name, port, limits)
    return [*steps, *(("tls", finding) for finding in findings)], passed


async def _resolve(name: str, port: int, limits: CheckLimits) -> tuple[str, ...] | Finding:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(addresses: Iterable[str], failure: OSError | UnicodeError | None) -> None:
        if not answer.done():
            answer.set_exception(failure) if failure else answer.set_result(tuple(dict.fromkeys(addresses)))

    def resolve() -> None:
        failure: OSError | UnicodeError | None
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            addresses, failure = [str(address[0]) for *_, address in found], None
        except (OSError, UnicodeError) as exc:
            addresses, failure = [], exc
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, addresses, failure)

    # A daemon thread, which nothing waits for: a resolver that hangs cannot be stopped.
    threading.Thread(target=resolve, daemon=True).start()
    command = f"getent hosts {shlex.quote(name)}"
    why = "A misspelt host, or a name that this machine's resolver does not know (network, container, VPN)."
    try:
        async with asyncio.timeout(limits.connect_timeout):
            return await answer
    except TimeoutError:
        return problem(f"{name}: the resolver gives no answer within {limits.connect_timeout:g} s.", why, command)
    except (OSError, UnicodeError):
        return problem(f"{name} cannot be resolved.", why, command)


def _resolved(name: str, addresses: tuple[str, ...]) -> str:
    return f"{name} is an address." if addresses == (name,) else f"{name} is {', '.join(addresses)}."


async def _connect(address: str, port: int, limits: CheckLimits) -> Finding:
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    command = f"pg_isready -h {address} -p {port}"
    began = time.monotonic()
    try:
        async with asyncio.timeout(limits.connect_timeout):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return problem(
            f"{where}: no answer within {limits.connect_timeout:g} s.",
            "A firewall or security group drops the packets, or the machine is down.",
            command,
        )
    except OSError as exc:
        return problem(
            sentence(f"{where}: {classify_connect_error(exc).reason}"),
            "A wrong port, or the server is not running.",
            command,
        )
    writer.transport.abort()
    return ok(f"{where} takes connections, in {(time.monotonic() - began) * 1000:.0f} ms.")


def _socket(path: Path) -> Finding:
    command = f"ls -la {shlex.quote(str(path.parent))}"
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return problem(f"{path} is no socket.", "The server makes one when it starts.", command)
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
    except OSError as exc:
        seen = sentence(f"{path}: {classify_connect_error(exc).reason}")
        return problem(seen, "A wrong directory or port in the URL, or no server.", command)
    return ok(f"{path} takes connections; there is no TLS over a socket.")


async def _login(url: DatabaseURL, limits: CheckLimits) -> list[Step]:
    try:
        async with asyncio.timeout(limits.connect_timeout + 1), doctor_engine(url, limits).connect() as connection:
            row = (await connection.execute(text("SELECT current_user, current_database()"))).one()
    except SettingsError as exc:
        return [("login", problem(str(exc), "No connection is made before it is mended.", psql(url, "SELECT 1")))]
    except (OSError, DBAPIError, TimeoutError) as exc:
        return _login_failure(url, classify_connect_error(exc))
    return [
        ("login", ok(f"The server lets {row.current_user} in.")),
        ("database", ok(f"The database {row.current_database} is there.")),
    ]


def _login_failure(url: DatabaseURL, failure: ConnectFailure) -> list[Step]:
    advice = _ADVICE.get(failure.kind, _ANY_OTHER)
    user, name = url.user or "(default user)", url.database or "(default name)"
    if failure.kind == NO_DATABASE:
        return [
            ("login", ok(f"The server lets {user} in.")),
            ("database", problem(sentence(f"{name}: {failure.reason}"), advice.why, advice.command(url))),
        ]
    return [
        ("login", problem(sentence(f"{user}: {failure.reason}"), advice.why, advice.command(url))),
        *_not_reached("database", what="there is no session"),
    ]


def _not_reached(*steps: str, what: str) -> list[Step]:
    return [(step, note(f"Not reached: {what}.")) for step in steps]


def _as_warning(finding: Finding) -> Finding:
    if finding.severity != "problem":
        return finding
    return warning(finding.seen, f"{finding.why} Another address or host answers.", finding.next_command)
