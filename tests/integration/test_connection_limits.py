"""What `litestar run` lets those send whom nobody knows yet; `tests/unit/test_protocol.py` has it in detail."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.support.processes import Server, environment, serving

MIB = 2**20


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    with serving(environment(DATABASE_URL=database_url), tmp_path / "log") as started:
        started.wait_until_ready()
        yield started


def connect(server: Server) -> socket.socket:
    return socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=60)


def test_endless_header_is_431_and_holds_up_nobody(server: Server) -> None:
    """Its cost would be the square of its length: 32 MiB are half a minute."""
    used = psutil.Process(server.process.pid).cpu_times().user
    with connect(server) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\nX: ")
        with suppress(ConnectionError):
            for _ in range(32):
                client.sendall(b"a" * MIB)
        with suppress(ConnectionResetError):
            assert client.recv(12) == b"HTTP/1.1 431"
    assert httpx.get(f"{server.url}/health").status_code == 200
    assert psutil.Process(server.process.pid).cpu_times().user - used < 1


def test_bodies_that_are_held_back_take_bounded_memory(server: Server) -> None:
    head = b"POST /api/v1/boards HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer plp_made_up\r\nContent-Length: %d\r\n\r\n"
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(300)]
        for client in clients:
            client.sendall(head % MIB + b"a" * (MIB - 1))
        first = clients[0].recv(4096)
        assert first.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2" in first
        # The request that has come whole is judged by its token.
        clients[-1].sendall(b"a")
        assert clients[-1].recv(12) == b"HTTP/1.1 401"
        assert process.memory_info().rss - before < 220 * MIB
