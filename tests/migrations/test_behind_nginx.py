"""Four replicas behind nginx: one is killed under load, a newer release replaces all, as the manifests have it."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.cli.demo.rollout.nginx import nginx_command, write_configuration
from tests.conftest import TOKEN
from tests.support.load import Balancer, Figures, Traffic, acknowledged
from tests.support.manifests import Step, applied_objects, container, find_object, pod_step, written
from tests.support.previous_release import SIGNED_IN
from tests.support.processes import ROOT, Server, debian_program, free_port, run, serving
from tests.support.releases import next_release
from tests.support.waiting import PATIENCE

RATE = 30


@pytest.fixture(scope="module")
def nginx_binary() -> str:
    return debian_program("nginx", "nginx-light")


class Nginx(Balancer):
    """It knows nothing of /readyz: who operates it names the servers."""

    def __init__(self, binary: str, folder: Path) -> None:
        super().__init__()
        self._command = nginx_command(binary, folder)
        self._folder = folder
        self._port = free_port()
        self._behind: list[Server] = []
        self.url = f"http://127.0.0.1:{self._port}"

    def pick(self) -> str:
        return self.url

    async def look(self, client: httpx.AsyncClient) -> None:
        """Nobody looks."""

    @contextmanager
    def running(self, *servers: Server) -> Iterator[None]:
        self._write(servers)
        with subprocess.Popen(self._command, stdin=subprocess.DEVNULL) as process:
            self._master = psutil.Process(process.pid)
            try:
                self._wait(lambda: bool(self._master.children()))
                yield
            finally:
                process.terminate()

    def replace(self, old: Server, new: Server) -> None:
        """Returns once no request comes to the old one any more."""
        before = self._master.children()
        self._write([new if server is old else server for server in self._behind])
        subprocess.run([*self._command, "-s", "reload"], check=True, timeout=PATIENCE)
        self._wait(lambda: not any(_accepts(worker) for worker in before))

    def _write(self, servers: Iterable[Server]) -> None:
        self._behind = list(servers)
        addresses = [server.url.removeprefix("http://") for server in servers]
        write_configuration(self._folder, self._port, addresses)

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < deadline, (self._folder / "error.log").read_text()
            time.sleep(0.02)


def _accepts(worker: psutil.Process) -> bool:
    """It says so itself in the name that it goes by."""
    with suppress(psutil.NoSuchProcess):
        return worker.status() != psutil.STATUS_ZOMBIE and "shutting down" not in " ".join(worker.cmdline())
    return False


async def test_no_request_fails_but_those_of_a_killed_replica(
    database_url: str, tmp_path: Path, nginx_binary: str, show_figures: Callable[[str, list[Figures]], None], long: bool
) -> None:
    secrets = written(tmp_path / "secrets", {"database-url": database_url, "local-auth-token": TOKEN})
    (expand,), _, (backfill,), (contract,) = applied_objects()
    serves = placed(find_object("Deployment"), secrets)
    nginx = Nginx(nginx_binary, tmp_path)
    traffic = Traffic(nginx, RATE)
    following = next_release(tmp_path / "next")
    many = 600 if long else 20
    with ExitStack() as stack:

        def start(name: str, checkout: Path = ROOT) -> Server:
            return stack.enter_context(serving(serves.environment(), tmp_path / name, cwd=checkout))

        old = [start(f"old {number}") for number in range(4)]
        for server in old:
            server.wait_until_ready()
        stack.enter_context(nginx.running(*old))
        async with traffic.flowing():
            await traffic.begin("four serve")
            await asyncio.gather(streams_come_through(nginx.url, traffic.board), traffic.more(many))
            await asyncio.to_thread(metrics_are_kept_inside, nginx.url, old[0].url)
            await traffic.begin("one is killed")
            await traffic.more(10)
            old[0].process.kill()
            old[0].process.wait()
            # What comes from here on is on no connection of its.
            traffic.period = "three serve"
            await traffic.more(2 * many)
            await traffic.begin("expand")
            await asyncio.to_thread(complete, placed(expand, secrets), following)
            for number, server in enumerate(old):
                await traffic.begin(f"replica {number} is replaced")
                new = start(f"new {number}", following)
                await asyncio.to_thread(pass_the_probes, new)
                await asyncio.to_thread(nginx.replace, server, new)
                await asyncio.to_thread(server.stop)
            await traffic.begin("backfill")
            await asyncio.to_thread(complete, placed(backfill, secrets), following)
            await traffic.begin("contract")
            await asyncio.to_thread(complete, placed(contract, secrets), following)
            await traffic.begin("the next release serves")
            await traffic.more(many)
    show_figures(f"Four replicas behind nginx at {traffic.rate:.0f} requests a second", traffic.every_figure)
    assert [failure for failure in traffic.failures if not failure.startswith("one is killed: ")] == []
    assert all("502" in failure for failure in traffic.failures)
    titles, comments = acknowledged(database_url, traffic)
    assert traffic.comments <= comments
    # A change whose answer was lost with the replica may have been made.
    assert traffic.titles.keys() <= titles.keys()
    differing = [task for task in traffic.titles if titles[task] != traffic.titles[task]]
    assert len(differing) <= len(traffic.failures)


def placed(found: Mapping[str, Any], secrets: Path) -> Step:
    return pod_step(found).placed({"/run/secrets/plimsoll": secrets})


def complete(job: Step, checkout: Path) -> None:
    done = run(*job.command, env=job.environment(), cwd=checkout)
    assert done.returncode == 0, done.stderr


def pass_the_probes(server: Server) -> None:
    server.wait_until_ready()
    runs = container(find_object("Deployment"))
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert httpx.get(f"{server.url}{runs[probe]['httpGet']['path']}").status_code == 200


def metrics_are_kept_inside(outside: str, replica: str) -> None:
    assert httpx.get(f"{replica}/metrics").status_code == 200
    for path in ("/metrics", "/metrics/", "//metrics", "/%6Detrics"):
        assert httpx.get(f"{outside}{path}").status_code == 404


async def streams_come_through(url: str, board: str) -> None:
    """Check that events arrive as they are written, and not when a buffer is full."""
    tasks = f"{url}/api/v1/boards/{board}/tasks"
    async with (
        asyncio.timeout(PATIENCE),
        httpx.AsyncClient(headers=SIGNED_IN, timeout=PATIENCE) as client,
        client.stream("GET", f"{tasks}/stream") as stream,
    ):
        assert stream.status_code == 200
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                return
