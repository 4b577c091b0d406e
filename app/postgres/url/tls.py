"""libpq's TLS parameters for asyncpg: which mode is meant, whether the parameters agree, and the SSLContext.

The rules are libpq's (PostgreSQL documentation, 34.19, SSL support), its variables PGSSL… and its files in
~/.postgresql included. Where asyncpg cannot do the same, it does more or there is an error:

- `channel_binding=require`: asyncpg 0.32 has no SCRAM-SHA-256-PLUS. What channel binding is for, that nobody between
  us and the server passes for the server, it has from the certificate instead: the mode becomes `verify-full`, with
  the machine's own authorities unless others are named. A server whose certificate cannot be verified is turned down
  (channel binding would have let it in); an authority that vouches for an impostor would deceive us (not channel
  binding). Who needs channel binding itself writes `postgresql+psycopg://`.
- `sslrootcert` or `sslcrl` with a mode that may end unencrypted is an error, since it checks nothing for sure.
"""

import os
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from .home_directory import find_certificate_file, hide_unreadable_home
from .parameters import PSYCOPG, check_parameters
from .syntax import InvalidURLError

BINDING_NOTE = (
    "channel_binding=require: asyncpg has none; instead the server's certificate is verified as with "
    "sslmode=verify-full, against sslrootcert or else the machine's own authorities"
)
SYSTEM = "system"
_ALWAYS_TLS = frozenset({"require", "verify-ca", "verify-full"})
# These are read from libpq's variables, too.
TLS_PARAMETERS = (
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslcrl",
    "sslcert",
    "sslkey",
    "channel_binding",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
)
# Passed to asyncpg's own parser in the modes whose second attempt only asyncpg can make.
_WEAK_MODE_PARAMETERS = ("sslcert", "sslkey", "sslpassword", "ssl_min_protocol_version", "ssl_max_protocol_version")
# That parser reads these in the home directory, and takes an unreadable one for a failure to connect.
_HOME_FILES = ("root.crl", "postgresql.crt", "postgresql.key")


def tls_in_effect(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what the parameters, or else libpq's variables such as PGSSLMODE, say about TLS."""
    values = {name: parameters.get(name) or os.environ.get(_variable(name)) for name in TLS_PARAMETERS}
    return {name: value for name, value in values.items() if value}


def tls_mode(parameters: Mapping[str, str]) -> str:
    """Return the sslmode that is meant. Raises InvalidURLError if the parameters contradict each other."""
    added = _check_variables(parameters)
    tls = tls_in_effect(parameters)
    mode = tls.get("sslmode")
    binds, is_system = tls.get("channel_binding") == "require", tls.get("sslrootcert") == SYSTEM
    wants_files = "sslcrl" in parameters or parameters.get("sslrootcert", SYSTEM) != SYSTEM
    versions = tls.get("ssl_min_protocol_version"), tls.get("ssl_max_protocol_version")
    # The first that applies decides.
    contradictions = (
        (
            binds and mode == "disable",
            "has channel_binding=require and sslmode=disable, but only TLS can be bound to",
            "Write sslmode=verify-full.",
        ),
        (
            is_system and mode not in {None, "verify-full"},
            "has sslrootcert=system with a weaker sslmode than verify-full",
            "Write sslmode=verify-full: anybody can have a certificate of a public authority for another host.",
        ),
        (
            tls.get("sslnegotiation") == "direct" and mode not in _ALWAYS_TLS and not (is_system or binds),
            "has sslnegotiation=direct with an sslmode that may do without TLS",
            "Write sslmode=verify-full, verify-ca or require.",
        ),
        (
            wants_files and mode in {None, "allow", "prefer"} and not binds,
            "has sslrootcert or sslcrl without an sslmode that always checks them",
            f"Add sslmode=verify-full (or verify-ca); what libpq makes of it has {PSYCOPG}.",
        ),
        (
            versions == ("TLSv1.3", "TLSv1.2"),
            "has an ssl_min_protocol_version above its ssl_max_protocol_version",
            "Remove one of them.",
        ),
    )
    for applies, problem, remedy in contradictions:
        if applies:
            raise InvalidURLError(f"{problem}{f' (with {added} of the environment)' if added else ''}", remedy)
    return "verify-full" if binds or is_system else mode or "prefer"


def tls_arguments(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return asyncpg's arguments for TCP. Raises InvalidURLError if a file is missing or is not what it should be."""
    mode, tls = tls_mode(parameters), tls_in_effect(parameters)
    if mode == "disable":
        return {"ssl": False}
    if mode in _ALWAYS_TLS:
        # Without a password here OpenSSL would ask for one on the terminal.
        context = _context(tls, mode, key_password=parameters.get("sslpassword", ""))
        return {"ssl": context} | ({"direct_tls": True} if tls.get("sslnegotiation") == "direct" else {})
    hide_unreadable_home()
    files = {name: find_certificate_file(name) for name in _HOME_FILES} | {n: tls.get(n) for n in ("sslcert", "sslkey")}
    for name, path in files.items():
        if path is not None:
            _load(name, path, Path(path).read_bytes)
    own = {name: parameters[name] for name in _WEAK_MODE_PARAMETERS if name in parameters}
    if own.get("ssl_min_protocol_version") in {"TLSv1", "TLSv1.1"}:
        del own["ssl_min_protocol_version"]
    return {"dsn": f"postgresql://?{urlencode({'sslmode': mode, **own}, quote_via=quote)}"} if own else {"ssl": mode}


def _variable(name: str) -> str:
    return "PG" + name.replace("_", "").upper()


def _check_variables(parameters: Mapping[str, str]) -> str:
    """Return the names of libpq's variables that set what the parameters leave open.

    Raises InvalidURLError for a value that the parameter could not have either.
    """
    found = {name: value for name, value in tls_in_effect({}).items() if name not in parameters}
    for name, value in found.items():
        try:
            check_parameters({name: value}, "asyncpg")
        except InvalidURLError as exc:
            raise InvalidURLError(f"{exc.problem}, from {_variable(name)}", exc.remedy) from None
    return " and ".join(map(_variable, found))


def _context(tls: Mapping[str, str], mode: str, *, key_password: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    roots = _roots(tls, mode)
    if roots is None:
        context.verify_mode = ssl.CERT_NONE
    elif roots == SYSTEM:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load("sslrootcert", roots, lambda: context.load_verify_locations(cafile=roots))
    if revoked := tls.get("sslcrl") or (find_certificate_file("root.crl") if roots else None):
        _load("sslcrl", revoked, lambda: context.load_verify_locations(cafile=revoked))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if certificate := tls.get("sslcert") or find_certificate_file("postgresql.crt"):
        key = tls.get("sslkey") or find_certificate_file("postgresql.key")
        load = partial(context.load_cert_chain, certificate, key, lambda: key_password)
        _load("sslcert or sslkey", certificate, load)
    # TLSv1.2 stays the least, whatever ssl_min_protocol_version says.
    is_newest = tls.get("ssl_min_protocol_version") == "TLSv1.3"
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if is_newest else ssl.TLSVersion.TLSv1_2
    if tls.get("ssl_max_protocol_version") == "TLSv1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if ssl.HAS_ALPN:
        context.set_alpn_protocols(["postgresql"])  # A server of 17 and later wants it for sslnegotiation=direct.
    return context


def _roots(tls: Mapping[str, str], mode: str) -> str | None:
    """Return the file of the authorities to trust, or "system", or None where libpq would not verify either."""
    if found := tls.get("sslrootcert") or find_certificate_file("root.crt"):
        return found
    if tls.get("channel_binding") == "require":
        return SYSTEM
    if mode != "require":
        raise InvalidURLError(
            f"has sslmode={mode} and names no authority to verify with",
            "Add sslmode=verify-full&sslrootcert=system for the machine's own authorities, or"
            " sslrootcert=/path/to/ca.pem.",
        )
    if "sslcrl" in tls:
        raise InvalidURLError(
            "has sslcrl but no sslrootcert, so nothing is checked", "Add sslrootcert=/path/to/ca.pem."
        )
    return None


def _load(name: str, path: str, load: Callable[[], object]) -> None:
    try:
        load()
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError.
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        raise InvalidURLError(
            f"names {path!r} for {name}, which cannot be used ({reason})",
            "Name a PEM file that this process may read.",
        ) from None
