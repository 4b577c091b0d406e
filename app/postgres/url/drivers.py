"""The connect arguments of each driver: what SQLAlchemy passes to asyncpg or psycopg beside its own URL."""

import getpass
import os
import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import asyncpg

from .. import passwords
from .home_directory import hide_unreadable_home
from .parameters import LIBPQ
from .syntax import EXAMPLE, Host, InvalidURLError
from .tls import tls_arguments

DEFAULT_PORT = 5432
_KEYWORDS = ("passfile", "krbsrvname", "gsslib", "target_session_attrs")
_TRY_NEXT_HOST = (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)


def asyncpg_arguments(hosts: Sequence[Host], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of asyncpg. Raises InvalidURLError if a file that a parameter names cannot be used."""
    arguments: dict[str, Any] = {name: parameters[name] for name in _KEYWORDS if name in parameters}
    # libpq has no TLS over a Unix socket, whatever sslmode says; without a host the driver looks for one.
    if not all(host.is_socket for host in hosts) or not hosts:
        arguments |= tls_arguments(parameters)
    if settings := _server_settings(parameters):
        arguments["server_settings"] = settings
    if parameters.get("pgbouncer") == "true":
        arguments |= unshared_statements("asyncpg")
    attempts = _attempts(len(hosts), parameters.get("target_session_attrs", "any"))
    if (seconds := _connect_timeout(parameters)) is not None:
        arguments["timeout"] = seconds * attempts or None
    if len(hosts) > 1:
        arguments["async_creator_fn"] = partial(
            connect_to_one, shuffle=parameters.get("load_balance_hosts") == "random"
        )
    return arguments


def psycopg_arguments(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters unchanged, since psycopg is libpq.

    Raises InvalidURLError where libpq would read a service that the URL does not name.
    """
    # There is no value of `service` that has libpq leave the variable alone.
    if "service" not in parameters and "PGSERVICE" in os.environ:
        raise InvalidURLError(
            "is for psycopg, which would take from PGSERVICE what the URL does not say",
            "Unset PGSERVICE, or write service= in the URL.",
        )
    hide_unreadable_home()
    arguments: dict[str, Any] = {name: value for name, value in parameters.items() if name in LIBPQ}
    if _connect_timeout(parameters) == 0:
        del arguments["connect_timeout"]  # None and no limit are the same, and engine.py takes the smaller number.
    if parameters.get("pgbouncer") == "true":
        arguments |= unshared_statements("psycopg")
    return arguments


def require_user_name() -> None:
    """Raise InvalidURLError where a driver finds no name for a URL without one: arbitrary user ids have none."""
    try:
        _ = os.environ.get("PGUSER") or getpass.getuser()
    except (KeyError, OSError):
        raise InvalidURLError(
            "names no user, and this process runs under an id that has no name", f"Write it as {EXAMPLE}."
        ) from None


async def connect_to_one(
    *,
    host: Sequence[str],
    port: Sequence[int],
    shuffle: bool,
    timeout: float | None = 60.0,
    target_session_attrs: str = "any",
    **arguments: object,
) -> asyncpg.Connection:
    """Connect to the first of several hosts that answers and is what `target_session_attrs` asks for.

    asyncpg's own loop spends the whole `timeout` on a first host that is silent, which is how a machine fails; libpq
    limits each host by itself. Here `timeout` (seconds, for all together) is shared out equally. A host that answers
    and refuses the user ends the search, as in libpq.
    """
    addresses = list(zip(host, port, strict=True))
    if shuffle:
        random.shuffle(addresses)
    wanted = _attribute_passes(target_session_attrs)
    share = None if timeout is None else timeout / (len(addresses) * len(wanted))
    failure: Exception | None = None
    for attributes in wanted:
        for name, number in addresses:
            try:
                return await passwords.connect(
                    host=name, port=number, timeout=share, target_session_attrs=attributes, **arguments
                )
            except _TRY_NEXT_HOST as exc:
                failure = exc
    raise failure or ValueError("no host")


def _attribute_passes(target_session_attrs: str) -> tuple[str, ...]:
    return ("standby", "any") if target_session_attrs == "prefer-standby" else (target_session_attrs,)


def _attempts(hosts: int, target_session_attrs: str) -> int:
    return hosts * len(_attribute_passes(target_session_attrs)) if hosts > 1 else 1


def _connect_timeout(parameters: Mapping[str, str]) -> int | None:
    """Return the seconds for each host; 0 is no limit, and libpq takes a negative number for 0."""
    text = parameters.get("connect_timeout")
    return None if text is None else max(0, int(text))


def _server_settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that libpq, too, sends as settings with the first message of a session."""
    settings = {"options": parameters["options"]} if "options" in parameters else {}
    if name := parameters.get("application_name") or parameters.get("fallback_application_name"):
        settings["application_name"] = name
    return settings


def unshared_statements(driver: str) -> dict[str, Any]:
    """Return the arguments for a pooler that gives each transaction another session: no statement outlives it.

    asyncpg's statements then have no name: it sends each anew with its parameters, without a request before, after
    which the pooler would take the session away. A named statement, even of its own, would stay where the transaction
    ends before it is closed.
    """
    if driver != "asyncpg":
        return {"prepare_threshold": None}
    return {"statement_cache_size": 0, "prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
