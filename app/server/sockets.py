"""The sockets on which the server listens. They are bound first, so that a taken port is reported at once."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_EVERYBODY_MAY_CONNECT = 0o666
_REASONS = {
    errno.EADDRINUSE: "another process listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this user may not (ports below 1024 are the administrator's)",
}


class CannotListenError(Exception):
    """The server cannot listen on its address; the text says why, and what to do."""

    exit_code = 6


class Address(NamedTuple):
    """The address that `litestar run` was given. A Unix socket or a descriptor takes precedence over host and port."""

    host: str | None
    port: int
    uds: str | None = None
    fd: int | None = None

    def __str__(self) -> str:
        if self.uds is not None:
            return self.uds
        if self.fd is not None:
            return f"file descriptor {self.fd}"
        host = self.host or "0.0.0.0"  # noqa: S104 - shown, not bound
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def with_port_of(self, sockets: list[socket.socket]) -> "Address":
        """Return the address with the sockets' actual port, if port 0 was asked for."""
        return self if self.uds or self.fd is not None else self._replace(port=sockets[0].getsockname()[1])

    def url(self, *, secure: bool) -> str:
        """Return the URL for clients; for a Unix socket, its path."""
        is_tcp = self.uds is None and self.fd is None
        return f"{'https' if secure else 'http'}://{self}" if is_tcp else str(self)

    @property
    def _remedy(self) -> str:
        if self.uds is not None:
            return "Stop what listens there, or choose another path with --uds."
        if self.fd is not None:
            return "--fd takes the number of a listening socket that the process which starts the server has opened."
        return f"Choose another port, such as --port {self.port % 65535 + 1}, or another address with --host."

    def refusal(self, error: OSError) -> CannotListenError:
        """Return the error that explains this OSError."""
        reason = _REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
        return CannotListenError(f"The server cannot listen on {self}: {reason}. {self._remedy}")


@contextmanager
def bind_sockets(address: Address) -> Iterator[list[socket.socket]]:
    """Bind the sockets, and close them at the end of the context. Raises CannotListenError.

    They do not listen yet: until the server starts, clients are refused instead of waiting.
    """
    try:
        sockets = _bind(address)
    except OSError as exc:
        raise address.refusal(exc) from None
    try:
        yield sockets
    finally:
        for bound_socket in sockets:
            bound_socket.close()
        if address.uds is not None:
            Path(address.uds).unlink(missing_ok=True)


def listen(sockets: list[socket.socket], address: Address, backlog: int) -> None:
    """Listen on the bound sockets. Raises CannotListenError if another process was faster."""
    for bound_socket in sockets:
        try:
            bound_socket.listen(backlog)
        except OSError as exc:
            raise address.refusal(exc) from None


def _bind(address: Address) -> list[socket.socket]:
    if address.uds is not None:
        return [_bind_unix(address.uds)]
    if address.fd is not None:
        return [socket.socket(fileno=os.dup(address.fd))]
    return _bind_tcp(address.host or None, address.port)


def _bind_tcp(host: str | None, port: int) -> list[socket.socket]:
    """Bind a socket for each of the host's addresses that this machine has."""
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    try:
        for family, kind, protocol, _, (name, _, *scope) in dict.fromkeys(found):
            try:
                sockets.append(_bind_one(socket.socket(family, kind, protocol), (name, port, *scope)))
                port = sockets[0].getsockname()[1]
            except OSError as exc:
                if exc.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    raise
                missing = exc
    except OSError:
        for opened in sockets:
            opened.close()
        raise
    if not sockets and missing is not None:
        raise missing
    return sockets


def _bind_one(unbound: socket.socket, where: tuple[Any, ...]) -> socket.socket:
    try:
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if unbound.family == socket.AF_INET6:
            unbound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        unbound.bind(where)
    except OSError:
        unbound.close()
        raise
    return unbound


def _bind_unix(path: str) -> socket.socket:
    """Bind the path; replace a socket there if nobody listens on it. Raises OSError if somebody does."""
    mode = _EVERYBODY_MAY_CONNECT
    if Path(path).is_socket():
        mode = stat.S_IMODE(Path(path).stat().st_mode)
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) != errno.ECONNREFUSED:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        Path(path).unlink()
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(path)
        Path(path).chmod(mode)
    except OSError:
        server.close()
        raise
    return server
