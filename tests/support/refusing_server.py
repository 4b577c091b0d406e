"""A server that lets nobody in: it answers every start of a session with one ErrorResponse and hangs up."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# SSLRequest and GSSENCRequest.
_ENCRYPTION = {80877103, 80877104}


class Refusing(socketserver.ThreadingTCPServer):
    """`starts` counts the sessions that were asked for; one that is `hasty` answers what asks for encryption, too."""

    daemon_threads = True

    def __init__(self, state: str, message: str | bytes, *, hasty: bool) -> None:
        self.hasty = hasty
        super().__init__(("127.0.0.1", 0), _Refusal)
        words = message if isinstance(message, bytes) else message.encode()
        fields = b"".join(
            kind + value + b"\0" for kind, value in ((b"S", b"FATAL"), (b"C", state.encode()), (b"M", words))
        )
        self.answer = b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0"
        self.starts = 0

    @property
    def port(self) -> int:
        return self.server_address[1]

    def url(self, driver: str = "postgresql") -> str:
        return f"{driver}://app:hunter2@127.0.0.1:{self.port}/harbour"


class _Refusal(socketserver.StreamRequestHandler):
    server: Refusing

    def handle(self) -> None:
        with suppress(OSError, struct.error):
            while True:
                (length,) = struct.unpack("!i", self.rfile.read(4))
                (code,) = struct.unpack("!i", self.rfile.read(length - 4)[:4])
                if code not in _ENCRYPTION or self.server.hasty:
                    break
                self.wfile.write(b"N")
            self.server.starts += 1
            self.wfile.write(self.server.answer)


@contextmanager
def refusing(state: str, message: str | bytes, *, hasty: bool = False) -> Iterator[Refusing]:
    with Refusing(state, message, hasty=hasty) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
