"""libpq's connection parameters, one row each, and what happens to them with asyncpg.

libpq's list: PostgreSQL documentation, 34.1.2 (version 18). psycopg is libpq, which takes them all unchanged. asyncpg
0.32 takes none as a keyword: a row is HONOURED (`tls.py` and `drivers.py` translate it), DROPPED because nothing is
lost without it, or REFUSED because something would be: no protection is lost in silence.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from .syntax import SSL_MODES, InvalidURLError

PSYCOPG = "postgresql+psycopg:// (with the extra `psycopg`)"
SECRETS = frozenset({"sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})


class Treatment(Enum):
    HONOURED = auto()
    DROPPED = auto()
    REFUSED = auto()


class Values(NamedTuple):
    """The values that libpq accepts, and the words for them in an error."""

    accepts: Callable[[str], bool]
    expected: str


class Rule(NamedTuple):
    """How one parameter is treated; `because` completes "…, because", `exceptions` are values that are treated
    otherwise.
    """

    values: Values
    treatment: Treatment
    because: str = ""
    exceptions: Mapping[str, Treatment] = MappingProxyType({})


def _one_of(*names: str) -> Values:
    return Values(frozenset(names).__contains__, f"one of {', '.join(names)}")


def _matching(pattern: str, expected: str) -> Values:
    return Values(lambda text: re.fullmatch(pattern, text) is not None, expected)


_H, _D, _R = Treatment.HONOURED, Treatment.DROPPED, Treatment.REFUSED
_TEXT = Values(bool, "a text that is not empty")
_ANY = Values(lambda _: True, "a text")
_INTEGER = _matching(r"[+-]?[0-9]{1,9}", "a whole number")
_ON_OFF = _one_of("0", "1")
_MODE = _one_of(*SSL_MODES)
_TLS_VERSION = _one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_WIRE_VERSION = _one_of("3.0", "3.2", "latest")
_OLD_TLS = ("TLSv1", "TLSv1.1")
_POOL_FINDS_DEAD = "every connection is tried before use and a statement has a time limit"
_UTF8 = ("auto", "utf8", "UTF8", "utf-8", "UTF-8", "unicode", "UNICODE")
_OAUTH = "asyncpg does not know OAuth"
_KERBEROS = "asyncpg has no such switch"

LIBPQ: Mapping[str, Rule] = {
    "application_name": Rule(_ANY, _H),
    "fallback_application_name": Rule(_ANY, _H),
    "options": Rule(_ANY, _H),
    "connect_timeout": Rule(_INTEGER, _H),
    "target_session_attrs": Rule(_one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"), _H),
    "load_balance_hosts": Rule(_one_of("disable", "random"), _H),
    "passfile": Rule(_TEXT, _H),
    "krbsrvname": Rule(_TEXT, _H),
    "gsslib": Rule(_one_of("gssapi", "sspi"), _H),
    "sslmode": Rule(_MODE, _H),
    "sslnegotiation": Rule(_one_of("postgres", "direct"), _H),
    "sslrootcert": Rule(_TEXT, _H),
    "sslcrl": Rule(_TEXT, _H),
    "sslcert": Rule(_TEXT, _H),
    "sslkey": Rule(_TEXT, _H),
    "sslpassword": Rule(_TEXT, _H),
    "ssl_max_protocol_version": Rule(_TLS_VERSION, _H, "below TLSv1.2 nothing is safe", dict.fromkeys(_OLD_TLS, _R)),
    "ssl_min_protocol_version": Rule(_TLS_VERSION, _H, "TLSv1.2 stays the least", dict.fromkeys(_OLD_TLS, _D)),
    "channel_binding": Rule(
        _one_of("disable", "prefer", "require"), _D, "asyncpg authenticates without it", {"require": _H}
    ),
    "client_encoding": Rule(_TEXT, _R, "asyncpg speaks UTF-8 only", dict.fromkeys(_UTF8, _D)),
    "sslcompression": Rule(_ON_OFF, _D, "libpq passes over it too"),
    "sslsni": Rule(_ON_OFF, _D, "asyncpg always names the host in the handshake", {"0": _R}),
    "sslcertmode": Rule(
        _one_of("disable", "allow", "require"), _R, "asyncpg sends a client certificate if there is one", {"allow": _D}
    ),
    "sslcrldir": Rule(_TEXT, _R, "asyncpg reads one file: write sslcrl="),
    "sslkeylogfile": Rule(_TEXT, _R, "it writes down the keys of the encryption"),
    "gssencmode": Rule(
        _one_of("disable", "prefer", "require"), _D, "asyncpg encrypts through TLS alone", {"require": _R}
    ),
    "gssdelegation": Rule(_ON_OFF, _D, _KERBEROS, {"1": _R}),
    "hostaddr": Rule(_TEXT, _R, "asyncpg takes a name or an address, not both: write the one in host"),
    "require_auth": Rule(_TEXT, _R, "asyncpg answers whichever way of authentication the server asks for"),
    "requirepeer": Rule(_TEXT, _R, "asyncpg does not look at who owns a socket"),
    "min_protocol_version": Rule(_WIRE_VERSION, _R, "asyncpg speaks version 3.0 only", {"3.0": _D}),
    "max_protocol_version": Rule(_WIRE_VERSION, _D, "asyncpg speaks version 3.0"),
    "keepalives": Rule(_INTEGER, _D, _POOL_FINDS_DEAD),
    "keepalives_idle": Rule(_INTEGER, _D, _POOL_FINDS_DEAD),
    "keepalives_interval": Rule(_INTEGER, _D, _POOL_FINDS_DEAD),
    "keepalives_count": Rule(_INTEGER, _D, _POOL_FINDS_DEAD),
    "tcp_user_timeout": Rule(_INTEGER, _D, _POOL_FINDS_DEAD),
    "replication": Rule(_TEXT, _R, "the application is no replica", dict.fromkeys(("0", "false", "no", "off"), _D)),
    "service": Rule(_TEXT, _R, "asyncpg passes over some parameters of a service file in silence"),
    "scram_client_key": Rule(_TEXT, _R, "asyncpg takes a password only"),
    "scram_server_key": Rule(_TEXT, _R, "asyncpg takes a password only"),
    "oauth_issuer": Rule(_TEXT, _R, _OAUTH),
    "oauth_client_id": Rule(_TEXT, _R, _OAUTH),
    "oauth_client_secret": Rule(_TEXT, _R, _OAUTH),
    "oauth_scope": Rule(_TEXT, _R, _OAUTH),
}

# Parameters of other tools, in the URLs that providers offer for pasting; neither libpq nor a driver gets them.
FOREIGN: Mapping[str, Rule] = {
    # `ssl=<mode>` has become sslmode by now, so any value here is wrong.
    "ssl": Rule(_MODE, _H),
    "pgbouncer": Rule(_one_of("true", "false"), _H),
    "supa": Rule(_ANY, _D, "it is a mark of the provider's own"),
    "uselibpqcompat": Rule(_one_of("true"), _D, "libpq's meaning is the only one here"),
}

# Two names that are less alike than this are so by chance.
_ALIKE = 0.8
# Other tools' names for a mode of TLS, and libpq's name for each.
_MODES = {
    **dict.fromkeys(("false", "0", "no", "off", "disabled"), "disable"),
    **dict.fromkeys(("true", "1", "yes", "on", "required", "no-verify"), "require"),
    **dict.fromkeys(("verify", "verify-identity"), "verify-full"),
    "preferred": "prefer",
}
_OF_THE_POOL = "Leave it to the application's settings: a URL says nothing about its pool."
# Other tools' parameters, and what to write here.
_ELSEWHERE = {
    "schema": "Write options=-csearch_path%3D<schema>.",
    "currentSchema": "Write options=-csearch_path%3D<schema>.",
    "search_path": "Write options=-csearch_path%3D<schema>.",
    "database": "Write the name behind the host, or dbname=.",
    "username": "Write user=.",
    "connection_limit": _OF_THE_POOL,
    "pool_size": _OF_THE_POOL,
    "max_overflow": _OF_THE_POOL,
    "pool_timeout": _OF_THE_POOL,
    "statement_timeout": "Write options=-cstatement_timeout%3D<milliseconds>.",
    "command_timeout": "Leave it to the application's settings.",
    "timeout": "Write connect_timeout= (seconds).",
    "prepared_statement_cache_size": "Behind PgBouncer write pgbouncer=true.",
    "statement_cache_size": "Behind PgBouncer write pgbouncer=true.",
    "prepare_threshold": "Behind PgBouncer write pgbouncer=true.",
    "prepareThreshold": "Behind PgBouncer write pgbouncer=true.",
    "sslfactory": "Write sslmode=verify-full.",
    "sslaccept": "Write sslmode=verify-full for strict, sslmode=require for accept_invalid_certs.",
    "rejectUnauthorized": "Write sslmode=verify-full for true, sslmode=require for false.",
    "passwd": "Write password=.",
    "unix_sock": "Write host=/directory, where the socket is.",
    "unix_socket": "Write host=/directory, where the socket is.",
    "socket": "Write host=/directory, where the socket is.",
    "tcpKeepAlive": "Write keepalives=1.",
}


def check_parameters(parameters: Mapping[str, str], driver: str, *, hide_unknown: bool = False) -> tuple[str, ...]:
    """Return notes on what `driver` does not get, and why. Raises InvalidURLError for what cannot be honoured.

    With `hide_unknown` the name of an unknown parameter is not shown, since it may be a piece of a password.
    """
    notes = []
    for name, value in parameters.items():
        rule = LIBPQ.get(name) or FOREIGN.get(name)
        if rule is None:
            raise _unknown(name, hide_unknown)
        if not rule.values.accepts(value):
            shown = "" if name in SECRETS else repr(value[:40])
            raise InvalidURLError(
                f"has {name}={shown}", _equal_mode(rule, value) or f"It may hold {rule.values.expected}."
            )
        treatment = rule.exceptions.get(value, rule.treatment)
        if treatment is Treatment.HONOURED or (driver == "psycopg" and name in LIBPQ):
            continue
        if treatment is Treatment.REFUSED:
            raise InvalidURLError(
                f"has {name}, which cannot be honoured: {rule.because}", f"Remove it, or write {PSYCOPG}."
            )
        notes.append(f"{name} is left out: {rule.because}")
    return tuple(notes)


def _equal_mode(rule: Rule, value: str) -> str | None:
    """Return the advice to write libpq's name of a TLS mode for another driver's name of it."""
    spelt = value.lower().replace("_", "-")
    mode = spelt if spelt in SSL_MODES else _MODES.get(spelt)
    return f"Write sslmode={mode}, which is libpq's word for it." if rule.values is _MODE and mode else None


def _unknown(name: str, hide: bool) -> InvalidURLError:
    shown = "(its name is not shown)" if hide or not re.fullmatch(r"\w{1,40}", name) else f"`{name}`"
    nearest = get_close_matches(name.lower(), [*LIBPQ, *FOREIGN], n=1, cutoff=_ALIKE)
    known = (
        f"The nearest that PostgreSQL knows is `{nearest[0]}`" if nearest else "PostgreSQL has none that is called so"
    )
    remedy = f"{known}; a password's & is written %26."
    return InvalidURLError(f"has an unknown parameter {shown}", _ELSEWHERE.get(name, remedy))
