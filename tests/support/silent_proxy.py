"""A way to the server that falls silent between two messages of a statement, as a network or a frozen host does."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from sqlalchemy import URL, make_url

from app.postgres.url.database_url import normalize_database_url
from app.postgres.url.drivers import DEFAULT_PORT

# Sessions that wait for their client in the middle of a statement, as those of a test that looks never do.
IN_THE_MIDDLE = """
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND state = 'active' AND wait_event_type = 'Client'
"""
LOCKED = """
    SELECT relation::regclass::text FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
    AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
"""
_CHUNK = 65536
_STARTUP = 196_608  # Protocol 3.0; what comes before it, such as a question for TLS, has no type either.


class Cut:
    """Once a message with `begins` in it has passed, the next of the type `last` is the last, of all connections."""

    def __init__(self, target: URL, begins: bytes, last: bytes) -> None:
        self._target = target
        self._begins = begins
        self._last = last
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._sockets: list[socket.socket] = []
        self._passes = threading.Event()
        self._passes.set()
        self.is_silent = threading.Event()
        port = self._listener.getsockname()[1]
        query = {name: value for name, value in target.query.items() if name not in {"host", "port"}}
        self.url = target.set(host="127.0.0.1", port=port, query=query).render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._passes.set()
        _close(self._listener)
        # It may be about to add a connection.
        self._acceptor.join()
        for one in self._sockets:
            _close(one)

    def go_on(self) -> None:
        self._passes.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _connect(self) -> socket.socket:
        (host,) = normalize_database_url(self._target.render_as_string(hide_password=False)).hosts
        port = host.port or DEFAULT_PORT
        if not host.is_socket:
            return socket.create_connection((host.name, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host.name}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        with suppress(OSError):
            if from_client:
                self._pass_messages(source, target)
            else:
                while piece := source.recv(_CHUNK):
                    self._passes.wait()
                    target.sendall(piece)
        # Also where the one side was reset.
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _pass_messages(self, source: socket.socket, target: socket.socket) -> None:
        has_begun = False
        for kind, message in _messages(source):
            self._passes.wait()
            is_last = has_begun and kind == self._last and not self.is_silent.is_set()
            if is_last:
                self._passes.clear()
            target.sendall(message)
            if is_last:
                self.is_silent.set()
            has_begun = has_begun or self._begins in message


def _close(one: socket.socket) -> None:
    # So that whoever reads from it wakes up.
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _messages(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Each message of a client with its type, which is empty until the session has begun."""
    has_type, buffer = False, b""
    while piece := source.recv(_CHUNK):
        buffer += piece
        while len(buffer) >= has_type + 4:
            (length,) = struct.unpack_from("!I", buffer, has_type)
            if len(buffer) < has_type + length:
                break
            message, buffer = buffer[: has_type + length], buffer[has_type + length :]
            yield message[:1] if has_type else b"", message
            has_type = has_type or struct.unpack_from("!I", message, 4) == (_STARTUP,)


@contextmanager
def cut(url: str, begins: str, last: str = "P", driver: str = "postgresql") -> Iterator[Cut]:
    """The server of the URL, by way of what falls silent; without TLS, of which nothing could be seen."""
    with Cut(make_url(url).set(drivername=driver), begins.encode(), last.encode()) as way:
        way.url += ("&" if "?" in way.url else "?") + "sslmode=disable"
        yield way
