"""The same statements over bare asyncpg, each request's in one transaction: `python -m tests.benchmarks.replay`.

A process of its own, like a server. It reads a Job as JSON and answers with what came of it.
"""

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import cycle
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import psutil
import uvloop
from uuid_utils.compat import uuid7

from tests.benchmarks.load import CONNECTIONS
from tests.benchmarks.results import Sample
from tests.benchmarks.statements import Statement
from tests.support.percentiles import percentiles
from tests.support.processes import ROOT, environment, in_checkout

# From the text of a parameter, by the name of its type; what is not here is given as text.
_READ: dict[str, Callable[[str], Any]] = {
    "int2": int,
    "int4": int,
    "int8": int,
    "float8": float,
    "bool": lambda text: text == "t",
    "bytea": lambda text: bytes.fromhex(text.removeprefix("\\x")),
}


class Job(msgspec.Struct):
    """`places` are ids, such as those of a board and a task, that each request has others of: the first ones are those
    in the statements. Ids that do not begin with `known` are new rows', and made anew for each request.
    """

    dsn: str
    seconds: float
    statements: list[Statement]
    places: list[list[UUID]]
    known: str


class _Request(NamedTuple):
    place: Sequence[UUID]
    made: dict[UUID, UUID]


_Maker = Callable[[_Request], Any]


def replay(job: Job, cores: set[int]) -> Sample:
    """In a process on these cores."""
    command = [sys.executable, "-m", "tests.benchmarks.replay"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=in_checkout(environment(), ROOT)
    ) as process:
        psutil.Process(process.pid).cpu_affinity(sorted(cores))
        output, _ = process.communicate(msgspec.json.encode(job), timeout=job.seconds + 60)
    if process.returncode != 0:
        raise RuntimeError("The statements could not be sent again; see above.")
    return msgspec.json.decode(output, type=Sample)


async def _run(job: Job) -> Sample:
    connections = [await asyncpg.connect(job.dsn) for _ in range(CONNECTIONS)]
    prepared = [(each.sql, await _makers(connections[0], job, each)) for each in job.statements]
    places, times = cycle(job.places), list[float]()
    began, used = time.monotonic(), time.process_time()

    async def work(connection: asyncpg.Connection) -> None:
        while (start := time.monotonic()) < began + job.seconds:
            request = _Request(next(places), defaultdict(uuid7))
            async with connection.transaction():
                for sql, makers in prepared:
                    await connection.fetch(sql, *(make(request) for make in makers))
            times.append(time.monotonic() - start)

    await asyncio.gather(*map(work, connections))
    passed, used = time.monotonic() - began, time.process_time() - used
    p50, p99 = percentiles(times, 0.5, 0.99)
    return Sample(len(times) / passed, p50 * 1000, p99 * 1000, used / len(times) * 1e6)


async def _makers(connection: asyncpg.Connection, job: Job, statement: Statement) -> list[_Maker]:
    """What makes the parameters of the statement for a request."""
    kinds = [kind.name for kind in (await connection.prepare(statement.sql)).get_parameters()]
    return [_maker(job, kind, value) for kind, value in zip(kinds, statement.values, strict=True)]


def _maker(job: Job, kind: str, text: str | None) -> _Maker:
    if text is None:
        return lambda _: None
    if kind == "uuid":
        return _id_maker(job, UUID(text))
    if kind == "uuid[]":
        makers = [_id_maker(job, UUID(part)) for part in text.strip("{}").split(",")]
        return lambda request: [make(request) for make in makers]
    if kind == "timestamptz":
        return lambda _: datetime.now(UTC)
    value = _READ.get(kind, str)(text)
    return lambda _: value


def _id_maker(job: Job, found: UUID) -> _Maker:
    if found in job.places[0]:
        place = job.places[0].index(found)
        return lambda request: request.place[place]
    if str(found).startswith(job.known):
        return lambda _: found
    return lambda request: request.made[found]


if __name__ == "__main__":
    done = uvloop.run(_run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(done))
