"""SIGTERM and SIGINT: what is under way is answered, and no client keeps the process for longer than it may."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import TOKEN
from tests.support.database import query
from tests.support.processes import ROOT, Server, environment, run, serving
from tests.support.waiting import wait_until

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
SIGNED_IN = f"Host: t\r\nAuthorization: Bearer {TOKEN}\r\n"
HALF_A_BODY = f"POST /api/v1/boards HTTP/1.1\r\n{SIGNED_IN}Content-Length: 100\r\n\r\n{{"
# More than the sockets of both sides take.
MUCH = 8 * 2**20

OPERATIONS = TOKEN[::-1]


@contextmanager
def ready(url: str, log: Path, *arguments: str, seconds: int) -> Iterator[Server]:
    """A server that lets what is under way go on for `seconds`."""
    env = environment(DATABASE_URL=url, SHUTDOWN_TIMEOUT=str(seconds), REQUEST_BODY_TIMEOUT="600")
    env["OPERATIONS_TOKEN"] = OPERATIONS
    with serving(env, log, *arguments) as server:
        server.wait_until_ready()
        yield server


def sending(server: Server, request: str) -> socket.socket:
    """A connection whose client takes little at a time."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((urlsplit(server.url).hostname, urlsplit(server.url).port))
    client.sendall(request.encode())
    return client


def board(server: Server) -> str:
    body = {"name": "b", "slug": uuid4().hex, "description": ""}
    made = httpx.post(f"{server.url}/api/v1/boards", json=body, headers=HEADERS, timeout=30)
    return str(made.json()["id"])


def test_clients_that_neither_read_nor_send_on_keep_no_process(database_url: str, tmp_path: Path) -> None:
    with ready(database_url, tmp_path / "log", seconds=1) as server:
        id_ = board(server)
        query(
            database_url,
            "INSERT INTO tasks (id, organization_id, board_id, title, description)"
            " SELECT gen_random_uuid(), organization_id, id, 't', repeat('y', :size)"
            " FROM boards, generate_series(1, 200) WHERE id = :id",
            id=id_,
            size=MUCH // 200,
        )
        clients = [
            sending(server, f"GET /api/v1/boards/{id_}/tasks?limit=200 HTTP/1.1\r\n{SIGNED_IN}\r\n"),
            sending(server, "GET /schema/openapi.json HTTP/1.1\r\nHost: t\r\n\r\n" * 100),
        ]
        for client in clients:
            assert client.recv(12) == b"HTTP/1.1 200"
        clients.append(sending(server, HALF_A_BODY))
        # Exit code 1 would be of what ends a process that nothing else has ended.
        assert server.stop() == -signal.SIGTERM
        assert "shutdown complete" in server.log
        for client in clients:
            client.close()


def test_streams_and_idle_connections_end_at_once_and_nothing_acknowledged_is_lost(
    database_url: str, tmp_path: Path
) -> None:
    with ready(database_url, tmp_path / "log", seconds=600) as server, httpx.Client(headers=HEADERS) as http:
        id_ = board(server)
        tasks = f"{server.url}/api/v1/boards/{id_}/tasks"
        stream = sending(server, f"GET /api/v1/boards/{id_}/tasks/stream HTTP/1.1\r\n{SIGNED_IN}\r\n")
        assert stream.recv(12) == b"HTTP/1.1 200"
        head = sending(server, "GET /health HTTP/1.1\r\nHo")
        stored: list[str] = []

        def write() -> None:
            """Tasks that the stream has to tell of, until the server does not answer any more."""
            while True:
                title = uuid4().hex
                try:
                    answer = http.post(tasks, json={"title": title, "description": "y" * 20_000}, timeout=30)
                except httpx.TransportError:
                    return
                assert answer.status_code == 201
                stored.append(title)

        with ThreadPoolExecutor(8) as pool:
            writing = [pool.submit(write) for _ in range(8)]
            wait_until(lambda: len(stored) * 20_000 > MUCH, "the stream is full")
            assert server.stop() == -signal.SIGTERM
            for one in writing:
                one.result()
        assert {title for (title,) in query(database_url, "SELECT title FROM tasks")} >= set(stored)
        stream.close()
        head.close()


@pytest.mark.parametrize(("workers", "second"), [("1", signal.SIGTERM), ("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_second_signal_ends_the_process_at_once(
    database_url: str, tmp_path: Path, workers: str, second: signal.Signals
) -> None:
    with ready(database_url, tmp_path / "log", "--wc", workers, seconds=600) as server:
        children = psutil.Process(server.process.pid).children(recursive=True)
        client = sending(server, HALF_A_BODY)
        until_it_waits(server, client)
        server.process.terminate()
        wait_until(lambda: "Waiting for connections to close" in server.log, "a worker waits for its client")
        server.process.send_signal(second)
        server.process.wait(timeout=60)
        assert psutil.wait_procs(children, timeout=60)[1] == []
        client.close()


def until_it_waits(server: Server, client: socket.socket) -> None:
    """Until the application has the head of the request, as far as others can tell: it answers what came later."""
    with sending(server, "GET /health HTTP/1.1\r\nHost: t\r\n\r\n") as other:
        assert other.recv(12) == b"HTTP/1.1 200"


def by_worker(server: Server, name: str, **labels: str) -> dict[str, float]:
    """Return the samples with this name and these labels, by the worker that they are of."""
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {one.labels["worker"]: one.value for one in samples if labels.items() <= one.labels.items()}


def test_worker_that_dies_is_replaced_and_sigterm_to_the_parent_stops_all(database_url: str, tmp_path: Path) -> None:
    with ready(database_url, tmp_path / "log", "--wc", "2", seconds=10) as server:
        wait_until(lambda: server.log.count("startup complete") == 2, "both serve")
        for _ in range(10):
            assert httpx.get(f"{server.url}/health").status_code == 200
        # Whichever worker answers, it has the metrics of both.
        for _ in range(6):
            assert sum(by_worker(server, "plimsoll_requests_total", operation="health").values()) == 10
            started = by_worker(server, "process_start_time_seconds")
            assert set(started) == {"0", "1"}
        # So has the operations page, on which checks like those are no requests.
        for _ in range(10):
            assert httpx.get(f"{server.url}/api/v1/boards").status_code == 401
        page = httpx.get(f"{server.url}/operations", auth=("operations", OPERATIONS)).text
        assert "the last 15 minutes: 10 requests" in page
        parent = psutil.Process(server.process.pid)
        # Beside the workers it has one that cleans up after them.
        next(child for child in parent.children() if "spawn_main" in " ".join(child.cmdline())).kill()
        wait_until(lambda: server.log.count("startup complete") == 3, "another one serves")
        restarted = by_worker(server, "process_start_time_seconds")
        assert [restarted[number] == started[number] for number in ("0", "1")].count(False) == 1
        children = parent.children()
        assert server.stop() == 128 + signal.SIGTERM
        assert psutil.wait_procs(children, timeout=60)[1] == []
        assert server.log.count("shutdown complete") == 2


@pytest.mark.parametrize("how", [(), ("--wc", "2"), ("--reload",)])
def test_port_that_is_taken_is_said_before_anything_is_done(empty_database_url: str, how: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = environment(ENVIRONMENT="dev", DATABASE_URL=empty_database_url)
        result = run("litestar", "run", "--port", port, *how, env=env)
    output = result.stdout + result.stderr
    assert result.returncode == 6, output
    assert f"cannot listen on 127.0.0.1:{port}" in output
    assert "--port" in output
    assert "curl" not in output
    assert "Traceback" not in output
    assert query(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "192.0.2.1"), "no such address"),
        (("--host", "no-such-host.invalid"), "no-such-host.invalid"),
        (("--uds", "/nonexistent/socket"), "--uds"),
        (("--fd", "999"), "--fd"),
    ],
)
def test_address_that_cannot_be_had_is_named(database_url: str, arguments: tuple[str, ...], said: str) -> None:
    result = run("litestar", "run", *arguments, env=environment(DATABASE_URL=database_url))
    assert result.returncode == 6, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_port_that_the_system_chooses_is_shown(database_url: str, tmp_path: Path) -> None:
    env = environment(DATABASE_URL=database_url, ENVIRONMENT="dev")
    with serving(env, tmp_path / "log", "--port", "0") as server:
        wait_until(lambda: "First board" in server.log, "it has said where")
        (port,) = re.findall(r"running on http://127\.0\.0\.1:(\d+)", server.log)
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        assert f"http://127.0.0.1:{port}/schema" in server.log


_HANGING = """
import time
import uvicorn
from app.server import uvicorn_server

async def app(scope, receive, send):
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            print("hangs", flush=True)
            time.sleep(1000)
        await send({"type": f"{message['type']}.complete"})

uvicorn_server._EXIT_SECONDS = 1
uvicorn_server.Server(uvicorn.Config(app, port=0, timeout_graceful_shutdown=0, log_config=None)).run()
"""


def test_process_that_hangs_at_its_end_is_ended() -> None:
    command = [sys.executable, "-c", _HANGING]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: psutil.Process(process.pid).net_connections(), "it listens")
        process.terminate()
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "hangs\n")
    assert "Timeout" in errors
