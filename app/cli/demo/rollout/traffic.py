"""A steady stream of requests, as several people and programs send them, and what became of each."""

import asyncio
import itertools
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from app.cli.demo.rollout.figures import Sample

# Of ten requests in a row; what people do more often comes more often.
_MIX = ("list", "read", "patch", "search", "read", "list", "create", "read", "patch", "list")
_EVERY_DASHBOARD = 97
_MOST_AT_ONCE = 100
_PATIENCE = 30.0
_CREATED = 201


class UnexpectedAnswerError(Exception):
    """An answer that is no success, or not what was stored."""


@dataclass
class KnownTask:
    """A task, and the description that the server has acknowledged last."""

    board_id: UUID
    id: UUID
    description: str

    @property
    def path(self) -> str:
        return f"/boards/{self.board_id}/tasks/{self.id}"


@dataclass
class Traffic:
    """Requests at `rate` per second, each sent when it is due, whatever became of others, and never a second time.

    `samples` are by step, and as many as were `sent` once no request is under way. `tasks` are those that requests read
    and change; a change whose answer is lost takes its task out, since nobody knows then what it holds. New tasks come
    to `board_id`.
    """

    url: str
    token: str
    rate: float
    board_id: UUID
    tasks: list[KnownTask]
    step: str = "before the first step"
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    sent: int = 0
    created: set[UUID] = field(default_factory=set)
    _free: deque[KnownTask] = field(default_factory=deque)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Let requests come; at a good end all of them have been answered."""
        self._free.extend(self.tasks)
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        async with client(self.token) as self._client:
            coming = asyncio.create_task(self._come())
            try:
                yield
            except BaseException:
                for request in self._under_way:
                    request.cancel()
                raise
            finally:
                coming.cancel()
                await asyncio.wait({coming, *self._under_way})

    @property
    def known_tasks(self) -> list[KnownTask]:
        """Return the tasks whose changes were all answered, once no request is under way."""
        return list(self._free)

    @property
    def all_samples(self) -> Iterable[Sample]:
        return itertools.chain.from_iterable(self.samples.values())

    @property
    def failures(self) -> list[str]:
        """Return what went wrong, with the step in which the request was sent."""
        return [f"{step}: {one.failure}" for step, samples in self.samples.items() for one in samples if one.failure]

    async def _come(self) -> None:
        due = time.monotonic()
        for number in itertools.count():
            due += 1 / self.rate
            await asyncio.sleep(due - time.monotonic())
            self.sent += 1
            request = asyncio.create_task(self._request(number, due))
            self._under_way.add(request)
            request.add_done_callback(self._under_way.discard)

    async def _request(self, number: int, due: float) -> None:
        step, failure = self.step, None
        kind = "dashboard" if number % _EVERY_DASHBOARD == 0 else _MIX[number % len(_MIX)]
        async with self._places:
            try:
                await getattr(self, f"_{kind}")(number)
            # The last three: an answer that is not the JSON that it should be.
            except (httpx.HTTPError, UnexpectedAnswerError, ValueError, LookupError, TypeError) as exc:
                failure = f"{kind}: {type(exc).__name__} {exc}".rstrip()
        ended = time.monotonic()
        self.samples[step].append(Sample(ended, ended - due, failure))

    async def _list(self, number: int) -> None:
        await self._send("GET", f"/boards/{self._any(number).board_id}/tasks?limit=20")

    async def _search(self, number: int) -> None:
        await self._send("GET", f"/boards/{self._any(number).board_id}/tasks?limit=20&search={number}")

    async def _dashboard(self, number: int) -> None:
        await self._send("GET", f"/metrics/dashboard?board_id={self._any(number).board_id}")

    async def _read(self, number: int) -> None:
        """Read a task that nobody is changing, and compare."""
        if not self._free:
            return await self._list(number)
        task = self._free.popleft()
        try:
            answer = await self._send("GET", task.path)
        finally:
            self._free.append(task)
        if answer["description"] != task.description:
            raise UnexpectedAnswerError("a task does not have the description that was acknowledged")
        return None

    async def _patch(self, number: int) -> None:
        if not self._free:
            return await self._list(number)
        task, description = self._free.popleft(), f"written by change {number}"
        await self._send("PATCH", task.path, {"description": description})
        task.description = description
        self._free.append(task)
        return None

    async def _create(self, number: int) -> None:
        body = {"title": f"Task {number}", "description": f"written by creation {number}"}
        made = await self._send("POST", f"/boards/{self.board_id}/tasks", body)
        task = KnownTask(self.board_id, UUID(made["id"]), body["description"])
        self.created.add(task.id)
        self.tasks.append(task)
        self._free.append(task)

    def _any(self, number: int) -> KnownTask:
        return self.tasks[number * 7919 % len(self.tasks)]

    async def _send(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        response = await self._client.request(method, f"{self.url}/api/v1{path}", json=body)
        if response.status_code != (_CREATED if method == "POST" else httpx.codes.OK):
            raise UnexpectedAnswerError(f"{response.status_code} {response.text[:300]}")
        return response.json()


def client(token: str) -> httpx.AsyncClient:
    """Return a client with a connection for each request, so that none meets one that nginx is just closing as idle."""
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {token}"},
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=_PATIENCE,
        trust_env=False,
    )
