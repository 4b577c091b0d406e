"""The row about more requests than a worker can answer: `python -m tests.benchmarks.overload` is who sends them.

A process of its own, over bare sockets. Each request is sent when it is due, whatever became of those before, as by
clients who know nothing of each other: those of the other rows wait for their answers, and so never overload anything.
"""

import asyncio
import subprocess
import sys
import time
from collections import deque

import msgspec
import psutil

from tests.benchmarks.bench import Bench
from tests.benchmarks.load import FailedRequestsError, Request
from tests.benchmarks.results import Goal, Outcome, Sample
from tests.benchmarks.servers import OURS, Server
from tests.conftest import TOKEN
from tests.support.percentiles import percentiles
from tests.support.processes import ROOT, environment, in_checkout

_REQUEST = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
# Seconds after the last request for which is waited.
_PATIENCE = 30.0
_OK, _REFUSED = b"200", b"503"
_TIMES = 3
_CONNECTIONS = 500
_SATURATED, _OVERLOADED = "saturated", "overloaded"


class Job(msgspec.Struct):
    """`rate` requests a second for these paths in turn, for so long."""

    port: int
    paths: list[str]
    rate: float
    seconds: float


class Answers(msgspec.Struct):
    """How many were served and refused in so many seconds, and their times in milliseconds from when they were due."""

    seconds: float
    served: int
    refused: int
    p50: float
    p99: float
    p99_of_refused: float


def overload(bench: Bench) -> list[Outcome]:
    """Saturated by clients who wait for their answers, and then at three times the rate which that has reached."""
    size = bench.effort.size
    paths = [f"/api/v1/boards/{size.board(n)}/tasks" for n in range(size.boards)]
    requests = [Request("GET", path) for path in paths]
    times, served, refused = _by_load(), _by_load(), list[Answers]()
    with bench.database(size) as url, bench.serving(OURS, url) as server:
        bench.load(server, requests)
        for _ in range(bench.effort.rounds):
            saturated = bench.load(server, requests)
            job = Job(server.port, paths, saturated.value * _TIMES, bench.effort.seconds * 2)
            found = _sent(job, server, bench.cores.others)
            refused.append(found)
            assert saturated.p99 is not None
            times[_SATURATED].append(saturated._replace(value=saturated.p99))
            times[_OVERLOADED].append(Sample(found.p99, found.p50, found.p99))
            served[_SATURATED].append(saturated)
            served[_OVERLOADED].append(Sample(found.served / found.seconds, found.p50, found.p99))
    share = sum(each.refused for each in refused) / sum(each.refused + each.served for each in refused)
    note = f"{share:.0%} were refused, in {max(each.p99_of_refused for each in refused):,.0f} ms at p99."
    goals = {
        "overload": Goal(3, _SATURATED, at_most=True, of=_OVERLOADED),
        "goodput": Goal(0.5, _SATURATED, of=_OVERLOADED),
    }
    title = f"List 50 tasks at {_TIMES} times the rate that saturates the worker"
    return [
        Outcome("overload", title, "ms at p99 of what is served", times, [goals["overload"]], note),
        Outcome("goodput", "What is served of it", "requests/s", served, [goals["goodput"]]),
    ]


def _by_load() -> dict[str, list[Sample]]:
    return {_SATURATED: [], _OVERLOADED: []}


def _sent(job: Job, server: Server, cores: set[int]) -> Answers:
    command = [sys.executable, "-m", "tests.benchmarks.overload", msgspec.json.encode(job).decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=in_checkout(environment(), ROOT)) as process:
        psutil.Process(process.pid).cpu_affinity(sorted(cores))
        output, _ = process.communicate(timeout=job.seconds + 2 * _PATIENCE)
    if process.returncode != 0:
        raise FailedRequestsError(f"{server.name} answered otherwise; see above.")
    return msgspec.json.decode(output, type=Answers)


class _Client:
    def __init__(self, job: Job) -> None:
        self._port = job.port
        self._requests = [_REQUEST.format(path=path, port=job.port, token=TOKEN).encode("ascii") for path in job.paths]
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self.times: dict[bytes, list[float]] = {_OK: [], _REFUSED: []}

    async def connect(self) -> None:
        """As a proxy has them: of very many that connect at once the kernel lets some wait for a second or three."""
        for _ in range(_CONNECTIONS):
            self._idle.append(await asyncio.open_connection("127.0.0.1", self._port))

    async def send(self, number: int, due: float) -> None:
        streams = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = streams
        writer.write(self._requests[number % len(self._requests)])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        # Any other status is a KeyError, and the end of it.
        self.times[head.split(b" ", 2)[1]].append((time.monotonic() - due) * 1000)
        self._idle.append(streams)


async def _run(job: Job) -> Answers:
    client = _Client(job)
    await client.connect()
    began = time.monotonic()
    async with asyncio.timeout(job.seconds + _PATIENCE), asyncio.TaskGroup() as group:
        for number in range(round(job.rate * job.seconds)):
            due = began + number / job.rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            elif number % 20 == 0:
                await asyncio.sleep(0)
            group.create_task(client.send(number, due))
    seconds = time.monotonic() - began
    served, refused = client.times[_OK], client.times[_REFUSED]
    found = *percentiles(served, 0.5, 0.99), *percentiles(refused, 0.99)
    return Answers(seconds, len(served), len(refused), *found)


if __name__ == "__main__":
    answers = asyncio.run(_run(msgspec.json.decode(sys.argv[1], type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(answers))
