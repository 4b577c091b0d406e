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
_WEAK = frozenset({"disable", "allow", "prefer"})
_STRONG = frozenset({"require", "verify-ca", "verify-full"})
_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1_2,
    "TLSv1.1": ssl.TLSVersion.TLSv1_2,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
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


def effective_value(parameters: Mapping[str, str], name: str) -> str | None:
    """Return a parameter of the URL, or else the value of libpq's variable for it, such as PGSSLMODE."""
    return parameters.get(name) or os.environ.get(_variable(name)) or None


def tls_parameters_in_effect(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what the parameters, or else libpq's variables, say about TLS, as far as our connections heed it."""
    return {name: value for name in TLS_PARAMETERS if (value := effective_value(parameters, name)) is not None}


def tls_mode(parameters: Mapping[str, str]) -> str:
    """Return the sslmode that is meant. Raises InvalidURLError if the parameters contradict each other."""
    added = _check_variables(parameters)
    mode = effective_value(parameters, "sslmode")
    for contradicts, problem, remedy in _CONTRADICTIONS:
        if contradicts(parameters, mode):
            raise InvalidURLError(f"{problem}{f' (with {added} of the environment)' if added else ''}", remedy)
    if (
        effective_value(parameters, "channel_binding") == "require"
        or effective_value(parameters, "sslrootcert") == SYSTEM
    ):
        return "verify-full"
    return mode or "prefer"


def tls_arguments(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return asyncpg's arguments for TCP. Raises InvalidURLError if a file is missing or is not what it should be."""
    mode = tls_mode(parameters)
    if mode == "disable":
        return {"ssl": False}
    if mode in _STRONG:
        direct = effective_value(parameters, "sslnegotiation") == "direct"
        return {"ssl": _context(parameters, mode)} | ({"direct_tls": True} if direct else {})
    hide_unreadable_home()
    for name in _HOME_FILES:
        _check_readable(name, _home_file(name))
    own = {name: parameters[name] for name in _WEAK_MODE_PARAMETERS if name in parameters}
    if own.get("ssl_min_protocol_version") in {"TLSv1", "TLSv1.1"}:
        del own["ssl_min_protocol_version"]
    for name in ("sslcert", "sslkey"):
        _check_readable(name, effective_value(parameters, name))
    return {"dsn": f"postgresql://?{urlencode({'sslmode': mode, **own}, quote_via=quote)}"} if own else {"ssl": mode}


def _variable(name: str) -> str:
    return "PG" + name.replace("_", "").upper()


def _check_variables(parameters: Mapping[str, str]) -> str:
    """Return the names of libpq's variables that set what the parameters leave open.

    Raises InvalidURLError for a value that the parameter could not have either.
    """
    found = {name: value for name in TLS_PARAMETERS if name not in parameters and (value := effective_value({}, name))}
    for name, value in found.items():
        try:
            check_parameters({name: value}, "asyncpg")
        except InvalidURLError as exc:
            raise InvalidURLError(f"{exc.problem}, from {_variable(name)}", exc.remedy) from None
    return " and ".join(map(_variable, found))


def _wants_files(parameters: Mapping[str, str]) -> bool:
    return "sslcrl" in parameters or parameters.get("sslrootcert", SYSTEM) != SYSTEM


# The first that applies decides. Each gets the parameters and the sslmode, if one is set.
_CONTRADICTIONS: tuple[tuple[Callable[[Mapping[str, str], str | None], bool], str, str], ...] = (
    (
        lambda parameters, mode: effective_value(parameters, "channel_binding") == "require" and mode == "disable",
        "has channel_binding=require and sslmode=disable, but only TLS can be bound to",
        "Write sslmode=verify-full.",
    ),
    (
        lambda parameters, mode: (
            effective_value(parameters, "sslrootcert") == SYSTEM and mode not in {None, "verify-full"}
        ),
        "has sslrootcert=system with a weaker sslmode than verify-full",
        "Write sslmode=verify-full: anybody can have a certificate of a public authority for another host.",
    ),
    (
        lambda parameters, mode: (
            effective_value(parameters, "sslnegotiation") == "direct"
            and mode not in _STRONG
            and effective_value(parameters, "sslrootcert") != SYSTEM
            and effective_value(parameters, "channel_binding") != "require"
        ),
        "has sslnegotiation=direct with an sslmode that may do without TLS",
        "Write sslmode=verify-full, verify-ca or require.",
    ),
    (
        lambda parameters, mode: (
            _wants_files(parameters)
            and mode in {None, "allow", "prefer"}
            and effective_value(parameters, "channel_binding") != "require"
        ),
        "has sslrootcert or sslcrl without an sslmode that always checks them",
        f"Add sslmode=verify-full (or verify-ca); what libpq makes of it has {PSYCOPG}.",
    ),
    (
        lambda parameters, _: (
            (
                effective_value(parameters, "ssl_min_protocol_version"),
                effective_value(parameters, "ssl_max_protocol_version"),
            )
            == ("TLSv1.3", "TLSv1.2")
        ),
        "has an ssl_min_protocol_version above its ssl_max_protocol_version",
        "Remove one of them.",
    ),
)


def _context(parameters: Mapping[str, str], mode: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    roots = _roots(parameters, mode)
    if roots is None:
        context.verify_mode = ssl.CERT_NONE
    elif roots == SYSTEM:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load("sslrootcert", roots, lambda: context.load_verify_locations(cafile=roots))
    _load_revocations(context, parameters, roots)
    _load_client_certificate(context, parameters)
    context.minimum_version = _version(parameters, "ssl_min_protocol_version") or ssl.TLSVersion.TLSv1_2
    context.maximum_version = _version(parameters, "ssl_max_protocol_version") or ssl.TLSVersion.MAXIMUM_SUPPORTED
    if ssl.HAS_ALPN:
        context.set_alpn_protocols(["postgresql"])  # A server of 17 and later wants it for sslnegotiation=direct.
    return context


def _roots(parameters: Mapping[str, str], mode: str) -> str | None:
    """Return the file of the authorities to trust, or "system", or None where libpq would not verify either."""
    if found := effective_value(parameters, "sslrootcert") or _home_file("root.crt"):
        return found
    if effective_value(parameters, "channel_binding") == "require":
        return SYSTEM
    if mode == "require":
        return None
    raise InvalidURLError(
        f"has sslmode={mode} and names no authority to verify with",
        "Add sslmode=verify-full&sslrootcert=system for the machine's own authorities, or sslrootcert=/path/to/ca.pem.",
    )


def _load_revocations(context: ssl.SSLContext, parameters: Mapping[str, str], roots: str | None) -> None:
    revoked = effective_value(parameters, "sslcrl")
    if revoked and roots is None:
        raise InvalidURLError(
            "has sslcrl but no sslrootcert, so nothing is checked", "Add sslrootcert=/path/to/ca.pem."
        )
    if path := revoked or (_home_file("root.crl") if roots else None):
        _load("sslcrl", path, lambda: context.load_verify_locations(cafile=path))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _load_client_certificate(context: ssl.SSLContext, parameters: Mapping[str, str]) -> None:
    certificate = effective_value(parameters, "sslcert") or _home_file("postgresql.crt")
    if certificate is None:
        return
    key = effective_value(parameters, "sslkey") or _home_file("postgresql.key")
    # Without a password here OpenSSL would ask for one on the terminal.
    password = parameters.get("sslpassword", "")
    _load("sslcert or sslkey", certificate, lambda: context.load_cert_chain(certificate, key, lambda: password))


def _version(parameters: Mapping[str, str], name: str) -> ssl.TLSVersion | None:
    text = effective_value(parameters, name)
    return None if text is None else _VERSIONS[text]


def _home_file(name: str) -> str | None:
    path = find_certificate_file(name)
    return str(path) if path else None


def _check_readable(name: str, path: str | None) -> None:
    if path is not None:
        _load(name, path, lambda: Path(path).read_bytes())


def _load(name: str, path: str, load: Callable[[], object]) -> None:
    try:
        load()
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError.
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        raise InvalidURLError(
            f"names {path!r} for {name}, which cannot be used ({reason})",
            "Name a PEM file that this process may read.",
        ) from None
