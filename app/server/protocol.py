"""uvicorn's HTTP/1.1 protocol, with limits on what a client may send and how long it may take.

It is used only under `litestar run`: another server has limits of its own.

llhttp has no limits of its own, and httptools copies a header again for each packet of it. So the parser gets one
message at a time, in pieces whose size is counted first: the head up to its end, the body up to the next message. What
a client sends after the message that is being answered is kept unparsed.
"""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from types import SimpleNamespace
from typing import Any, NamedTuple

import httptools
from prometheus_client import Counter
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.server.memory_budget import Budget
from app.server.refusals import HEAD_TIMEOUT, HEAD_TOO_LARGE, HELD_TOO_LONG, MALFORMED, Refusal

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
# The end of a head, and of a chunked body. A body of known length ends by its length.
_END = b"\r\n\r\n"
_OVERLAP = len(_END) - 1
# Seconds for which a refused client may still send before the connection is closed: closing at once would reset the
# connection, and the client would lose the answer (RFC 9112, 9.6). At shutdown a stream has as long to send the rest,
# and a client that has just connected, for its request.
_LINGER = 1.0
_REFUSED = Counter("plimsoll_connections_refused", "Connections closed before their request was read.", ["status"])


class RequestLimits(NamedTuple):
    """Limits in seconds: for the head of a request, and for requests under way when the server stops."""

    head_timeout: float
    shutdown_timeout: float


class BoundedProtocol(HttpToolsProtocol):
    """One connection. All connections of the process share `budget`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        limits: RequestLimits,
        budget: Budget,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._budget = budget
        self._timer: TimerHandle | None = None
        self._is_refused = False
        self._is_stopping = False
        # Data received; from this position on it has not been parsed.
        self._data = b""
        self._position = 0
        # The state of the message that is being parsed. Before its first byte arrives it is in its head.
        self._in_head = True
        self._head_size = 0
        self._last_bytes = b""
        self._is_chunked = False
        # Of a body with a known length, the bytes still to come; of a chunked body, the bytes in and around chunks.
        self._body_left = -1
        self._content_size = 0
        self._framing_size = 0
        # The parser of heads, while another one parses the body.
        self._head_parser: httptools.HttpRequestParser | None = None

    # Called by the event loop.
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._drop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        is_one_head = self._in_head and not self._head_size and data.find(_END) == len(data) - len(_END) >= 0
        if is_one_head and not self._is_answering and len(data) <= MAX_HEAD_BYTES:
            super().data_received(data)
            return
        self._data = self._data[self._position :] + data if self._data else data
        self._position = 0
        self._parse()

    def shutdown(self) -> None:
        """Close when the answer under way has been sent, or after the limit; a stream ends sooner."""
        if self.cycle is None and not self._is_refused and not self._is_stopping:
            # A proxy cannot send to another server the POST that is on its way here: it may have been carried out.
            self._is_stopping = True
            self.loop.call_later(min(_LINGER, self._limits.shutdown_timeout), self.shutdown)
            return
        self._drop()
        super().shutdown()
        is_stream = self._is_answering and self.cycle.response_started and self.cycle.chunked_encoding
        self.loop.call_later(
            min(_LINGER, self._limits.shutdown_timeout) if is_stream else self._limits.shutdown_timeout,
            self.transport.abort,
        )

    # Called by the parser.
    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._budget.release(self)
        self._in_head, self._head_size, self._last_bytes = False, 0, b""
        self._body_left = -1
        if len(self.headers) > MAX_HEADERS:
            self._refuse(HEAD_TOO_LARGE)
            return
        super().on_headers_complete()
        if self._is_stopping:
            self.cycle.keep_alive = False
        # The parser reports trailers as headers: they must not be added to the headers that the application reads.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        if self._is_refused:
            return
        self._content_size += len(body)
        if self._is_answering:
            self._budget.add(self, len(body))
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade() and self._framing:
            # The parser takes the body for data of the other protocol, and so the head for the whole message.
            return
        if self._head_parser is not None:
            self.parser, self._head_parser = self._head_parser, None
        self._in_head = True
        if self._is_refused:
            return
        self._budget.release(self)
        if not self._is_answering:
            self._stop_timer()
            self._start_timer()
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Continue without the protocol that the client has offered, as a server may (RFC 9110, 7.8)."""
        if self._in_head:
            return
        self._head_parser = self.parser
        callbacks = SimpleNamespace(on_body=self.on_body, on_message_complete=self.on_message_complete)
        self.parser = httptools.HttpRequestParser(callbacks)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % b"\r\n".join(map(b": ".join, self._framing)))

    # Called by the answer.
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._budget.release(self)
        self.cycle.body = bytearray()
        if self.transport.is_closing():
            self._drop()
        elif not self._in_head:
            # The rest of the body is read and dropped, within the limit.
            self._start_timer()
        elif self._data:
            self._parse()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        self._refuse(MALFORMED)

    def give_way(self) -> None:
        self._refuse(HELD_TOO_LONG)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _framing(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that determine the length of the body; a request without a body may have none."""
        return [header for header in self.scope["headers"] if header[0] in {b"content-length", b"transfer-encoding"}]

    def _parse(self) -> None:
        """Feed the parser up to the end of the message that the application answers next."""
        while self._position < len(self._data) and not self._is_refused:
            if self._in_head and self._is_answering:
                self.flow.pause_reading()
                self._budget.release(self)
                self._budget.add(self, len(self._data) - self._position)
                return
            end = self._end_of_piece()
            piece = self._data[self._position : end]
            self._position = end
            if self._in_head:
                self._parse_head(piece)
            else:
                self._parse_body(piece)
        self._data, self._position = b"", 0

    def _end_of_piece(self) -> int:
        """Return the end of the next piece, after which the next message may begin."""
        if not self._in_head and self._body_left < 0:
            self._begin_body()
        if not self._in_head and not self._is_chunked:
            return min(len(self._data), self._position + self._body_left)
        around = self._last_bytes + self._data[self._position : self._position + _OVERLAP]
        if self._last_bytes and (found := around.find(_END)) >= 0:
            return self._position + found + len(_END) - len(self._last_bytes)
        found = self._data.find(_END, self._position)
        return found + len(_END) if found >= 0 else len(self._data)

    def _begin_body(self) -> None:
        lengths = [int(value) for name, value in self.scope["headers"] if name == b"content-length"]
        self._is_chunked = not lengths
        self._body_left = lengths[0] if lengths else 0
        self._content_size = self._framing_size = 0

    def _parse_head(self, piece: bytes) -> None:
        self._head_size += len(piece)
        if self._head_size > MAX_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
            return
        super().data_received(piece)
        if self._in_head and not self._is_refused and self._head_size:
            self._last_bytes = (self._last_bytes + piece)[-_OVERLAP:]
            self._budget.add(self, len(piece))
            self._start_timer()

    def _parse_body(self, piece: bytes) -> None:
        before = self._content_size
        super().data_received(piece)
        if self._is_chunked:
            self._last_bytes = b"" if self._in_head else (self._last_bytes + piece)[-_OVERLAP:]
            self._framing_size += len(piece) - (self._content_size - before)
            # Framing is sizes, extensions and trailers. Small chunks have more framing than content.
            if self._framing_size > MAX_HEAD_BYTES + self._content_size and not self._is_refused:
                self._refuse(HEAD_TOO_LARGE)
        else:
            self._body_left -= len(piece)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in place of the application, which sees a disconnect, and close the connection."""
        if self._is_refused:
            return
        self._is_refused = True
        self._drop()
        self._stop_timer()
        self._unset_keepalive_if_required()
        _REFUSED.labels(refusal.status.value).inc()
        if self._is_answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.cycle.body = bytearray()
            if self.cycle.response_started or not self.cycle.more_body:
                # The request is complete: nobody knows here whether it has been carried out.
                self.transport.abort()
                return
        self.flow.resume_reading()
        self.transport.write(refusal.encode(self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._timer = self.loop.call_later(_LINGER, self.transport.abort)
        else:
            self.transport.close()

    def _drop(self) -> None:
        self._data, self._position = b"", 0
        self._budget.release(self)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._limits.head_timeout, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        if self._in_head and self._head_size:
            self._refuse(HEAD_TIMEOUT)
        else:
            self.transport.close()
