"""HTTP/1.1 as uvicorn speaks it, with limits on what a client may send, and on how long it may take.

llhttp has no limit of its own, and httptools puts a header together anew for each packet of it. So the parser is given
one message at a time, in pieces whose size is counted first: of a head up to its end, of a body up to the next message.
What a client sends beyond the message that is being answered is kept as it came.
"""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from types import SimpleNamespace
from typing import Any, NamedTuple

import httptools
from prometheus_client import Counter
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.server.budget import Budget
from app.server.refusals import HEAD_TIMEOUT, HEAD_TOO_LARGE, HELD_TOO_LONG, MALFORMED, Refusal

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
# What ends a head, and a body in chunks; a body of a known length ends with that.
_END = b"\r\n\r\n"
_OVERLAP = len(_END) - 1
# Seconds for which a refused client may still send, so that it comes to read why: closing at once would reset the
# connection, and with that the answer (RFC 9112, 9.6). And for which a stream may still send what it has at the end.
_LINGER = 1.0
_REFUSED = Counter("plimsoll_connections_refused", "Connections closed before their request was read.", ["status"])


class Limits(NamedTuple):
    """Seconds: for the head of a request, and for what is under way when the server stops."""

    head_timeout: float
    shutdown_timeout: float


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `budget` is that of all connections of the process."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        limits: Limits,
        budget: Budget,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._budget = budget
        self._timer: TimerHandle | None = None
        self._is_refused = False
        # What has come and not been parsed: from this position on.
        self._data = b""
        self._position = 0
        # The message that is being parsed. Before its first byte it is one in whose head nothing has come.
        self._in_head = True
        self._head_size = 0
        self._last_bytes = b""
        self._is_chunked = False
        # Bytes of a body with a known length that are still to come; of one in chunks, what is in and around them.
        self._body_left = -1
        self._content_size = 0
        self._framing_size = 0
        # The parser of heads, while a body has one of its own.
        self._head_parser: httptools.HttpRequestParser | None = None

    # What the event loop calls.
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
        """Let the answer that is under way be sent, for a while; a stream has no end that is worth waiting for."""
        self._drop()
        super().shutdown()
        is_stream = self._is_answering and self.cycle.response_started and self.cycle.chunked_encoding
        self.loop.call_later(
            min(_LINGER, self._limits.shutdown_timeout) if is_stream else self._limits.shutdown_timeout,
            self.transport.abort,
        )

    # What the parser calls.
    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._budget.release(self)
        self._in_head, self._head_size, self._last_bytes = False, 0, b""
        self._body_left = -1
        if len(self.headers) > MAX_HEADERS:
            self._refuse(HEAD_TOO_LARGE)
            return
        super().on_headers_complete()
        # Of trailers the parser tells as of headers: they must not become those that the application reads.
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
            # For the parser the message ends with its head, and the body is of the other protocol.
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
        """Go on without the other protocol that the client has offered, as a server may (RFC 9110, 7.8)."""
        if self._in_head:
            return
        self._head_parser = self.parser
        callbacks = SimpleNamespace(on_body=self.on_body, on_message_complete=self.on_message_complete)
        self.parser = httptools.HttpRequestParser(callbacks)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % b"\r\n".join(map(b": ".join, self._framing)))

    # What the answer calls.
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._budget.release(self)
        self.cycle.body = bytearray()
        if self.transport.is_closing():
            self._drop()
        elif not self._in_head:
            # The rest of the body is read and dropped, but not for ever.
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
        """Return the headers that tell how long the body is; a request without a body may have none."""
        return [header for header in self.scope["headers"] if header[0] in {b"content-length", b"transfer-encoding"}]

    def _parse(self) -> None:
        """Feed the parser up to the end of the message that the application is to answer next."""
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
        """Return where the next piece ends, behind which the next message may begin."""
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
            # Sizes, extensions and trailers; small chunks have more of that than content.
            if self._framing_size > MAX_HEAD_BYTES + self._content_size and not self._is_refused:
                self._refuse(HEAD_TOO_LARGE)
        else:
            self._body_left -= len(piece)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer without the application, which is told that the client has gone, and close the connection."""
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
                # What becomes of a request that is there whole nobody can say here.
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
