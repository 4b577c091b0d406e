"""The TLS that a server offers, and whether its certificate meets what the URL demands."""

import asyncio
import ssl
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from ...postgres.settings_error import SettingsError
from ...postgres.url.database_url import DatabaseURL
from ...postgres.url.syntax import InvalidURLError
from ...postgres.url.tls import tls_in_effect, tls_mode
from .finding import CheckLimits, Finding, note, ok, problem, warning

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_DAY = 86_400
_MAY_DO_WITHOUT = frozenset({"allow", "prefer"})
_PROTOCOL = ["postgresql"]


class NoTLSError(Exception):
    """The server answers that it has no TLS."""


class NotPostgresError(Exception):
    """What answers does not speak PostgreSQL's protocol."""


# What happened instead of TLS, and the finding's `seen` and `why`.
_NO_OFFER: tuple[tuple[type[Exception], str, str], ...] = (
    (
        NoTLSError,
        "the server offers no TLS, which sslmode={mode} demands.",
        "No connection is made. Switch TLS on at the server (ssl = on), or write sslmode=disable in your own network.",
    ),
    (
        NotPostgresError,
        "what answers there is not PostgreSQL.",
        "A wrong port, or a proxy in between that takes every connection.",
    ),
    (
        TimeoutError,
        "it takes connections, but says nothing.",
        "Something else listens there, or the server hangs: look into its log.",
    ),
)


@dataclass(frozen=True)
class Offer:
    """The TLS of a server.

    `certificate` is what `SSLSocket.getpeercert` returns, empty if it has expired; `refused` says why it is distrusted.
    """

    protocol: str
    certificate: Mapping[str, Any]
    refused: str | None


async def check_tls(url: DatabaseURL, host: str, port: int, limits: CheckLimits) -> tuple[list[Finding], bool]:
    """Return the findings on TLS with one server, and whether the login is worth trying."""
    try:
        mode = tls_mode(url.parameters)
        context = url.connect_args.get("ssl")
    except (InvalidURLError, SettingsError) as exc:
        broken = exc if isinstance(exc, SettingsError) else SettingsError(url.variable, exc.problem, exc.remedy)
        return [problem(str(broken), "No connection is made before it is mended.", _openssl(host, port))], False
    if mode == "disable":
        return [_unencrypted(host, port, "sslmode=disable: TLS is not asked for.")], True
    direct = tls_in_effect(url.parameters).get("sslnegotiation") == "direct"
    try:
        async with asyncio.timeout(limits.connect_timeout):
            verifying = context if isinstance(context, ssl.SSLContext) else None
            offer = await _read_offer(host, port, verifying, direct=direct)
    except (NoTLSError, NotPostgresError, OSError, EOFError) as exc:
        return [_no_offer_finding(exc, mode, host, port)], isinstance(exc, NoTLSError) and mode in _MAY_DO_WITHOUT
    return list(_offer_findings(offer, mode, host, port, limits)), offer.refused is None


async def _read_offer(host: str, port: int, verifying: ssl.SSLContext | None, *, direct: bool) -> Offer:
    first = await _handshake(host, port, _unverified(), direct=direct)
    refused = None
    if verifying is not None and verifying.verify_mode is ssl.CERT_REQUIRED:
        try:
            await _handshake(host, port, verifying, direct=direct)
        except ssl.SSLCertVerificationError as exc:
            refused = exc.verify_message
    certificate = await _read_certificate(host, port, first.getpeercert(binary_form=True) or b"", direct=direct)
    return Offer(first.version() or "TLS", certificate, refused)


async def _read_certificate(host: str, port: int, der: bytes, *, direct: bool) -> Mapping[str, Any]:
    """Return the fields of the server's certificate.

    Python parses only certificates that it has verified, so a second handshake trusts this one as its own authority.
    """
    context = _unverified()
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=der)
        return (await _handshake(host, port, context, direct=direct)).getpeercert() or {}
    except ssl.SSLError:
        return {}


async def _handshake(host: str, port: int, context: ssl.SSLContext, *, direct: bool) -> ssl.SSLObject:
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context if direct else None, server_hostname=host if direct else None
    )
    try:
        if not direct:
            writer.write(_SSL_REQUEST)
            answer = await reader.readexactly(1)
            if answer == b"N":
                raise NoTLSError
            if answer != b"S":
                raise NotPostgresError
            await writer.start_tls(context, server_hostname=host)
        found = writer.get_extra_info("ssl_object")
        assert isinstance(found, ssl.SSLObject)
        return found
    finally:
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_PROTOCOL)
    return context


def _offer_findings(offer: Offer, mode: str, host: str, port: int, limits: CheckLimits) -> Iterator[Finding]:
    described = _describe(offer)
    if offer.refused is not None:
        yield problem(
            f"{host}:{port}: the certificate is not trusted (sslmode={mode}): {offer.refused.rstrip('.')}. {described}",
            "No connection is made. Either sslrootcert names the wrong authority, or this is not the server you mean.",
            _openssl(host, port),
        )
        return
    yield ok(f"{host}:{port}: {offer.protocol}, as sslmode={mode} asks for. {described}")
    if mode not in {"verify-ca", "verify-full"}:
        yield note(
            f"sslmode={mode} does not check whose certificate it is.",
            "Whoever stands in between can pass for the server. sslmode=verify-full&sslrootcert=… checks it.",
        )
    yield from _expiry_findings(offer, host, port, limits)


def _expiry_findings(offer: Offer, host: str, port: int, limits: CheckLimits) -> Iterator[Finding]:
    left = _seconds_left(offer)
    if left is None or left < limits.certificate_days * _DAY:
        when = "is out of its time" if left is None else f"expires in {left / _DAY:.0f} days"
        yield warning(
            f"{host}:{port}: the certificate {when}.",
            "Whoever verifies it cannot connect then: renew it on the server.",
            _openssl(host, port),
        )


def _describe(offer: Offer) -> str:
    if not offer.certificate:
        return "Its certificate cannot be read, which is so of one that has expired."
    subject, issuer = (_name(offer.certificate.get(part, ())) for part in ("subject", "issuer"))
    return f"Certificate of {subject}, issued by {issuer}, until {offer.certificate.get('notAfter')}."


def _name(parts: Any) -> str:  # noqa: ANN401 - nested tuples of the ssl module
    pairs = {key: value for part in parts for key, value in part}
    return str(pairs.get("commonName") or pairs.get("organizationName") or "(no name)")


def _seconds_left(offer: Offer) -> float | None:
    ends = offer.certificate.get("notAfter")
    return None if ends is None else ssl.cert_time_to_seconds(str(ends)) - datetime.now(UTC).timestamp()


def _no_offer_finding(exc: Exception, mode: str, host: str, port: int) -> Finding:
    where, command = f"{host}:{port}", f"pg_isready -h {host} -p {port}"
    if isinstance(exc, NoTLSError) and mode in _MAY_DO_WITHOUT:
        return _unencrypted(host, port, f"The server offers no TLS, and sslmode={mode} does without.")
    for kind, seen, why in _NO_OFFER:
        if isinstance(exc, kind):
            return problem(f"{where}: {seen.format(mode=mode)}", why, command)
    return problem(
        f"{where}: TLS could not be negotiated ({getattr(exc, 'reason', None) or type(exc).__name__}).",
        "Something else than PostgreSQL may listen there, or the two have no version of TLS in common.",
        _openssl(host, port),
    )


def _unencrypted(host: str, port: int, seen: str) -> Finding:
    if _is_loopback(host):
        return ok(f"{host}:{port}: {seen}")
    return warning(
        f"{host}:{port}: {seen}",
        "Everything, the password's proof included, can be read and changed on the way: write sslmode=verify-full.",
        _openssl(host, port),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _openssl(host: str, port: int) -> str:
    target = f"[{host}]" if ":" in host else host
    return f"openssl s_client -starttls postgres -connect {target}:{port} -showcerts </dev/null"
