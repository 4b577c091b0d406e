"""A steady stream of requests to servers that run, how long each took, and what they acknowledged."""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self
from uuid import UUID

import httpx

from tests.conftest import TOKEN
from tests.support.database import query
from tests.support.percentiles import percentiles
from tests.support.processes import Server
from tests.support.waiting import PATIENCE, until

# Of ten requests in a row; what people do more often comes more often.
MIX = ("list", "read", "patch", "list", "comment", "read", "list", "patch", "read", "create")

_SHARE = 0.4
# Of /readyz, in a row, after which a server has no requests any more; Kubernetes' default.
_FAILURES = 3


@dataclass(frozen=True)
class Sample:
    """`seconds` from the moment when the request was due, so that it counts how long it waited to be sent."""

    period: str
    seconds: float
    failure: str | None


class Figures(NamedTuple):
    """The figures of one period; times are in milliseconds."""

    period: str
    requests: int
    failed: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, period: str, samples: Iterable[Sample]) -> Self:
        found = list(samples)
        assert found, f"there was no request in this period: {period}"
        times = percentiles((sample.seconds * 1000 for sample in found), 0.5, 0.99, 1)
        p50, p99, longest = (round(value, 1) for value in times)
        return cls(period, len(found), sum(sample.failure is not None for sample in found), p50, p99, longest)


class Balancer:
    """Names the servers in turn, as a load balancer does: from a 200 of /readyz on, until it was none three times."""

    def __init__(self) -> None:
        self._servers: list[Server] = []
        self._ready: deque[Server] = deque()
        # How often each was not ready since it last was.
        self._failed: Counter[Server] = Counter()

    def add(self, *servers: Server) -> None:
        self._servers += servers

    def remove(self, server: Server) -> None:
        """Out of the rotation, which is what comes before a SIGTERM."""
        self._servers.remove(server)
        if server in self._ready:
            self._ready.remove(server)

    def pick(self) -> str:
        if not self._ready:
            raise UnexpectedAnswerError("no server is ready")
        self._ready.rotate()
        return self._ready[0].url

    async def look(self, client: httpx.AsyncClient) -> None:
        for server in tuple(self._servers):
            try:
                ready = (await client.get(f"{server.url}/readyz")).status_code == 200
            except httpx.TransportError:
                ready = False
            self._failed[server] = 0 if ready else self._failed[server] + 1
            # Meanwhile it may have been removed.
            if ready and server in self._servers and server not in self._ready:
                self._ready.append(server)
            elif self._failed[server] >= _FAILURES and server in self._ready:
                self._ready.remove(server)

    def serves(self, server: Server) -> bool:
        return server in self._ready


@dataclass
class Traffic:
    """Requests for the tasks of one board at `rate` per second, each sent when it is due, whatever became of others.

    The rate is lowered where it is more than a share of what the server answers one after the other.
    `titles` are what the tasks are called after the last change that was acknowledged, `comments` those that were.
    """

    balancer: Balancer
    rate: float
    board: str = ""
    period: str = "warming up"
    samples: list[Sample] = field(default_factory=list)
    titles: dict[UUID, str] = field(default_factory=dict)
    comments: set[UUID] = field(default_factory=set)
    # Tasks that no request is changing: a change that overtook another would leave open which came last.
    _free: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue)
    _made: list[UUID] = field(default_factory=list)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def flowing(self, *, tasks: int = 100) -> AsyncIterator[None]:
        """Makes a board with some tasks, then lets the requests come; at the end all of them have been answered."""
        async with _client() as self._client, _client() as observer, asyncio.TaskGroup() as group:
            await self.balancer.look(observer)
            self._looking = group.create_task(self._keep_looking(observer))
            made = await self._send("POST", "/boards", {"name": "Load", "slug": "load", "description": "Under load"})
            self.board = made["id"]
            began = time.monotonic()
            for number in range(tasks):
                await self._create(number)
            # A machine that is busy with other things answers less: what queues up there says nothing of the schema.
            self.rate = min(self.rate, _SHARE * tasks / (time.monotonic() - began))
            self._coming = group.create_task(self._come(group))
            try:
                yield
            finally:
                await self.stop()

    async def begin(self, period: str) -> None:
        """What comes from now on is of this period; returns once what came before it has been answered."""
        self.period = period
        if self._under_way:
            await asyncio.wait(set(self._under_way))

    async def more(self, count: int) -> None:
        """Returns once so many more requests have been answered."""
        wanted = len(self.samples) + count
        await until(lambda: len(self.samples) >= wanted, "requests are answered")

    async def stop(self) -> None:
        """Lets no more requests come, and returns once all have been answered."""
        self._coming.cancel()
        self._looking.cancel()
        await asyncio.wait({*self._under_way, self._coming})

    async def until_served_by(self, *servers: Server) -> None:
        await until(lambda: all(self.balancer.serves(server) for server in servers), "the servers are ready")

    def figures(self, *periods: str, name: str | None = None) -> Figures:
        """Return the figures of these periods together, under `name`."""
        return Figures.of(name or periods[0], (sample for sample in self.samples if sample.period in periods))

    @property
    def every_figure(self) -> list[Figures]:
        return [self.figures(period) for period in dict.fromkeys(sample.period for sample in self.samples)]

    @property
    def failures(self) -> list[str]:
        return [f"{sample.period}: {sample.failure}" for sample in self.samples if sample.failure]

    async def _keep_looking(self, observer: httpx.AsyncClient) -> None:
        while True:
            await self.balancer.look(observer)
            await asyncio.sleep(0.2)

    async def _come(self, group: asyncio.TaskGroup) -> None:
        due = time.monotonic()
        for number in itertools.count():
            due += 1 / self.rate
            await asyncio.sleep(due - time.monotonic())
            request = group.create_task(self._request(number, due))
            self._under_way.add(request)
            request.add_done_callback(self._under_way.discard)

    async def _request(self, number: int, due: float) -> None:
        period, failure = self.period, None
        kind = MIX[number % len(MIX)]
        try:
            await getattr(self, f"_{kind}")(number)
        except (httpx.HTTPError, UnexpectedAnswerError) as exc:
            failure = f"{kind}: {type(exc).__name__} {exc}"
        self.samples.append(Sample(period, time.monotonic() - due, failure))

    async def _list(self, number: int) -> None:
        await self._send("GET", f"/boards/{self.board}/tasks?limit=20")

    async def _read(self, number: int) -> None:
        await self._send("GET", self._path(self._made[number % len(self._made)]))

    async def _create(self, number: int) -> None:
        title = f"task {number}"
        made = await self._send("POST", f"/boards/{self.board}/tasks", {"title": title})
        self.titles[UUID(made["id"])] = title
        self._made.append(UUID(made["id"]))
        self._free.put_nowait(UUID(made["id"]))

    async def _patch(self, number: int) -> None:
        task, title = await self._free.get(), f"changed by {number}"
        try:
            await self._send("PATCH", self._path(task), {"title": title, "status": "in_progress"})
            self.titles[task] = title
        finally:
            self._free.put_nowait(task)

    async def _comment(self, number: int) -> None:
        task = self._made[number % len(self._made)]
        made = await self._send("POST", f"{self._path(task)}/comments", {"message": f"comment {number}"})
        self.comments.add(UUID(made["id"]))

    def _path(self, task: UUID) -> str:
        return f"/boards/{self.board}/tasks/{task}"

    async def _send(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        # A connection that is refused has carried nothing: a balancer tries the next server.
        for _ in range(3):
            try:
                response = await self._client.request(method, f"{self.balancer.pick()}/api/v1{path}", json=body)
                break
            except httpx.ConnectError as exc:
                refused = exc
        else:
            raise refused
        if response.status_code != (201 if method == "POST" else 200):
            raise UnexpectedAnswerError(f"{response.status_code} {response.text}")
        return response.json()


def acknowledged(url: str, traffic: Traffic) -> tuple[dict[Any, Any], set[Any]]:
    """Return the titles of the traffic's tasks and the ids of all comments that the database has."""
    titles = query(url, "SELECT id, title FROM tasks WHERE board_id = :board", board=traffic.board)
    return dict(titles), {id_ for (id_,) in query(url, "SELECT id FROM task_comments")}


class UnexpectedAnswerError(Exception):
    """An answer that is no success."""


def _client() -> httpx.AsyncClient:
    """Each request on a connection of its own, so that none meets one that its server is just closing as idle."""
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {TOKEN}"},
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=PATIENCE,
        verify=False,
        trust_env=False,
    )
