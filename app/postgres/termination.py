"""Find out why a server has ended a session: asyncpg drops what the server says between two statements.

A server that ends a session says why and hangs up. While a statement is under way, asyncpg makes that the cause of its
error. Between two statements it has nobody to tell: the next statement then meets a closed connection, or a driver that
is out of step, depending on whether the end of the connection has been read, too.
"""

import asyncio
import os
import socket
import weakref
from contextlib import suppress
from math import inf
from typing import Any

import asyncpg
from sqlalchemy import ExceptionContext

from .errors import ASYNCPG_ERRORS
from .tcp_keepalive import enable_keepalive

# A server's last message is found within so many bytes: it is a sentence and its place in the source.
_LONGEST = 4096
# Seconds: a session that ended sooner after its first statement did not end because of it.
_SEEN_AFTER = 0.003
_FATAL_SEVERITIES = frozenset({"FATAL", "PANIC"})


class TerminationAwareConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that keeps the error with which its server ended the session, as `termination`.

    `has_unread_statement` is whether a statement was sent that the server has not read.
    """

    termination: asyncpg.PostgresError | None = None
    has_unread_statement = False

    def __init__(self, protocol: Any, transport: Any, *arguments: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        super().__init__(protocol, transport, *arguments)
        enable_keepalive(transport.get_extra_info("socket"))
        transport.set_protocol(_Listener(protocol, transport, self))

    def is_closed(self) -> bool:
        """Return whether the session has ended, even where its end has not been read yet."""
        return self.termination is not None or bool(super().is_closed())

    def _check_open(self) -> None:
        if self.termination is not None and not super().is_closed():
            raise asyncpg.InternalClientError("the server has ended the session, and its end is still to be read")
        super()._check_open()

    async def close(self, *, timeout: float | None = None) -> None:
        if self.termination is None:
            await super().close(timeout=timeout)
        else:
            self.terminate()

    def terminate(self) -> None:
        super().terminate()
        self._transport.abort()


class _Listener(asyncio.Protocol):
    """A protocol between the transport and asyncpg's protocol, which passes everything on."""

    def __init__(self, protocol: Any, transport: Any, connection: TerminationAwareConnection) -> None:  # noqa: ANN401 - no types
        self._data_received = protocol.data_received
        self._protocol = protocol
        self._transport = transport
        # asyncpg ends a connection that nobody refers to any more.
        self._connection = weakref.ref(connection)
        self._has_termination = False

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._has_termination:
            # It was no message, but part of a value that goes on.
            self._set_termination(None)
        # An error ends with a zero byte, an answer does not. This is on every request's path.
        if data[-1] == 0 and (termination := _parse_termination(data)):
            # Before asyncpg answers the message, which the server does not read.
            self._set_termination(termination, was_refused=self._was_refused())
        self._data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError) and not self._has_termination and (data := self._read_remaining()):
            self.data_received(data)
        self._protocol.connection_lost(exc)
        # asyncpg's COPY would wait for ever until it may write again.
        self._protocol.resume_writing()

    def _set_termination(self, termination: asyncpg.PostgresError | None, *, was_refused: bool = False) -> None:
        self._has_termination = termination is not None
        if connection := self._connection():
            connection.termination = termination
            connection.has_unread_statement = was_refused

    def _was_refused(self) -> bool:
        """Return whether the server's side was closed when we sent something."""
        with suppress(OSError), self._socket() as own:
            return own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        return False

    def _read_remaining(self) -> bytes:
        """Return what came before a failed write: a Unix socket fails at once, and asyncio then stops reading."""
        # uvloop may have reused its descriptor by now, and behind TLS the bytes are encrypted.
        if type(self._transport).__module__ == "asyncio.selector_events":
            with suppress(OSError), self._socket() as own:
                own.setblocking(False)
                return own.recv(_LONGEST)
        return b""

    def _socket(self) -> socket.socket:
        """Return another handle of the transport's socket. Raises OSError."""
        return socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno()))


def _parse_termination(data: bytes) -> asyncpg.PostgresError | None:
    """Return the ErrorResponse at the end of the data if it ends the session; else None."""
    tail = data[-_LONGEST:]
    at = tail.find(b"E")
    while at >= 0:
        if int.from_bytes(tail[at + 1 : at + 5]) == len(tail) - at - 1:
            texts = [field.decode(errors="replace") for field in tail[at + 5 :].split(b"\0") if field]
            fields = {text[0]: text[1:] for text in texts}
            # V is what S is in the server's language; poolers may have S alone.
            if {"C", "M"} <= fields.keys() and (fields.get("V") or fields.get("S")) in _FATAL_SEVERITIES:
                return asyncpg.PostgresError.new(fields)
        at = tail.find(b"E", at + 1)
    return None


def add_termination_cause(exc: BaseException, driver: object, seconds: float = inf) -> None:
    """Make the server's reason for ending the session the cause of asyncpg's error, so that its SQLSTATE is found.

    Its `ended_while_idle` says whether no statement of ours was ended. `seconds` is how long the statement was under
    way, if it was the first on a connection that others had used before.
    """
    if (
        not isinstance(driver, TerminationAwareConnection)
        or driver.termination is None
        or not isinstance(exc, ASYNCPG_ERRORS)
    ):
        return
    termination = driver.termination
    query = getattr(exc.__cause__, "query", None) or ""
    was_at_work = (
        isinstance(exc, asyncpg.ConnectionDoesNotExistError)
        and not driver.has_unread_statement
        and not query.startswith("BEGIN")
        and seconds >= _SEEN_AFTER
    )
    # The first error decides: a later statement, such as a rollback, meets a connection that is closed already.
    if not hasattr(termination, "ended_while_idle"):
        termination.ended_while_idle = not was_at_work and not driver.is_in_transaction()
    exc.__cause__ = termination


def add_termination_cause_on_error(context: ExceptionContext) -> None:
    """Handle SQLAlchemy's event `handle_error`."""
    connection = context.connection
    if connection is not None and not connection.closed and not connection.invalidated:
        cause = context.original_exception.__cause__
        add_termination_cause(cause or context.original_exception, connection.connection.driver_connection)
