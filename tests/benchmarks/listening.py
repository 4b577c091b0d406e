"""Many open streams, and when what comes in them arrives: `python -m tests.benchmarks.listening`.

A process of its own, over bare sockets: a hundred thousand messages a second are to be read beside what is measured.
"""

import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psutil

from tests.conftest import TOKEN
from tests.support.percentiles import percentiles
from tests.support.processes import ROOT, environment, in_checkout

# What an event's message holds: when it was written, by the clock of the machine.
STAMP = "written at {:.6f};"
_STAMP = re.compile(rb"written at (\d+\.\d+);")
_LONGEST = 64
_REQUEST = "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"


class Job(msgspec.Struct):
    """So many streams of this path, until each has had so many stamps, or for that long after they are open."""

    port: int
    path: str
    streams: int
    stamps: int
    seconds: float


class Heard(msgspec.Struct):
    """How many stamps have come in all streams together, and how long they took; in milliseconds."""

    stamps: int
    p50: float
    p99: float
    longest: float


class Listener:
    """The process; its streams are open."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def result(self) -> Heard:
        """Once it has heard everything, or has waited long enough."""
        assert self._process.stdout is not None
        return msgspec.json.decode(self._process.stdout.readline(), type=Heard)


@contextmanager
def listening(job: Job, cores: set[int]) -> Iterator[Listener]:
    """Once all streams are open."""
    command = [sys.executable, "-m", "tests.benchmarks.listening", msgspec.json.encode(job).decode()]
    env = in_checkout(environment(), ROOT)
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=env) as process:
        psutil.Process(process.pid).cpu_affinity(sorted(cores))
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"open\n":
                raise RuntimeError("The streams could not be opened; see above.")
            yield Listener(process)
        finally:
            process.kill()


def _listen(job: Job) -> Heard:
    request = _REQUEST.format(path=job.path, host=f"127.0.0.1:{job.port}", token=TOKEN).encode()
    streams = [_open(job.port, request) for _ in range(job.streams)]
    print("open", flush=True)  # noqa: T201 - to who has started this process
    times: list[float] = []
    rest = dict.fromkeys(streams, b"")
    end = time.monotonic() + job.seconds
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while len(times) < job.stamps * job.streams and time.monotonic() < end:
            for key, _ in selector.select(timeout=0.5):
                assert isinstance(key.fileobj, socket.socket)
                stream = key.fileobj
                got = stream.recv(1 << 20)
                if not got:
                    raise ConnectionResetError("A stream has ended.")
                now, text = time.monotonic(), rest[stream] + got
                found = list(_STAMP.finditer(text))
                times += [now - float(stamp[1]) for stamp in found]
                rest[stream] = text[found[-1].end() if found else 0 :][-_LONGEST:]
    return Heard(len(times), *percentiles((passed * 1000 for passed in times), 0.5, 0.99, 1))


def _open(port: int, request: bytes) -> socket.socket:
    """A stream whose answer has begun."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=60)
    stream.sendall(request)
    began = b""
    while b"retry:" not in began:
        got = stream.recv(4096)
        began += got
        if not got or not began.startswith(b"HTTP/1.1 200"[: len(began)]):
            raise ConnectionError(f"A stream did not open: {began[:300]!r}")
    stream.setblocking(False)
    return stream


if __name__ == "__main__":
    heard = _listen(msgspec.json.decode(sys.argv[1], type=Job))
    sys.stdout.buffer.write(msgspec.json.encode(heard) + b"\n")
