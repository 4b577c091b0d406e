"""The rows that are requests, of the service and its rivals in turns."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple
from uuid import UUID

import httpx

from app.postgres.url.database_url import normalize_database_url
from tests.benchmarks.bench import Bench
from tests.benchmarks.data import KNOWN, Size
from tests.benchmarks.load import Request
from tests.benchmarks.replay import Job, replay
from tests.benchmarks.results import Goal, Outcome, Sample
from tests.benchmarks.servers import OURS, RIVALS, Server
from tests.benchmarks.statements import sent_for
from tests.conftest import TOKEN

# Of what is no server.
_STATEMENTS = "statements"
_WRITE_GOALS = (Goal(0.5, _STATEMENTS),)
_READ_GOALS = (Goal(0.6, "L1"), Goal(3, "L2"))


class _Writing(NamedTuple):
    """What is sent again: the statements of the first of `captured`, for each of `places`; see Job."""

    captured: Sequence[Request]
    places: list[list[UUID]]


def get_board(bench: Bench) -> list[Outcome]:
    size = bench.effort.size
    return _contest(bench, "board", "GET a board", [Request("GET", _board(size, n)) for n in range(size.boards)])


def list_tasks(bench: Bench) -> list[Outcome]:
    size = bench.effort.size
    requests = [Request("GET", f"{_board(size, n)}/tasks") for n in range(size.boards)]
    return _contest(bench, "list", "List 50 tasks with tags, dependencies and custom fields", requests)


def create_task(bench: Bench) -> list[Outcome]:
    size = bench.effort.size
    body = json.dumps({"title": "A task", "description": "What is to be done. " * 5})
    requests = [Request("POST", f"{_board(size, n)}/tasks", body) for n in range(size.boards)]
    writing = _Writing(requests[:1], [[size.board(n)] for n in range(size.boards)])
    return _contest(bench, "create", "Create a task with its event, durable", requests, writing)


def update_task(bench: Bench) -> list[Outcome]:
    """Each task in turn to in_progress, then each to review: every request changes the status, by the board's rules."""
    size = bench.effort.size
    # Of a board's tasks every fourth waits for one that is done.
    free = [(n, size.task_of_board(at, n)) for at in range(4, size.tasks_of_board, 4) for n in range(1, size.boards)]

    def to(status: str) -> list[Request]:
        body = json.dumps({"title": f"It is now in {status}", "status": status})
        return [Request("PATCH", f"{_board(size, n)}/tasks/{task}", body) for n, task in free]

    begin, look_at = to("in_progress"), to("review")
    writing = _Writing([begin[0], look_at[0]], [[size.board(n), task] for n, task in free])
    return _contest(bench, "update", "PATCH a task through its rules, durable", begin + look_at, writing)


def _board(size: Size, number: int) -> str:
    return f"/api/v1/boards/{size.board(number)}"


def _contest(
    bench: Bench, name: str, title: str, requests: Sequence[Request], writing: _Writing | None = None
) -> list[Outcome]:
    """With `writing` the same statements over bare asyncpg are a rival too, and the one that counts."""
    with bench.database(bench.effort.size) as url, ExitStack() as stack:
        servers = [stack.enter_context(bench.serving(OURS, url))]
        servers += [stack.enter_context(bench.serving(who, url, _board(bench.effort.size, 1))) for who in RIVALS]
        _require_same_answers(servers, requests[0])
        turns: dict[str, Callable[[], Sample]] = {
            server.name: partial(bench.load, server, requests) for server in servers
        }
        if writing:
            turns[_STATEMENTS] = _replaying(bench, url, servers[0], writing)
        goals = _WRITE_GOALS if writing else _READ_GOALS
        return [Outcome(name, title, "requests/s", bench.in_turns(turns), goals)]


def _replaying(bench: Bench, url: str, server: Server, writing: _Writing) -> Callable[[], Sample]:
    dsn = normalize_database_url(url).libpq
    statements = sent_for(server, writing.captured, dsn, bench.log)
    job = Job(dsn, bench.effort.seconds, statements, writing.places, KNOWN)
    return partial(replay, job, bench.cores.worker)


def _require_same_answers(servers: Sequence[Server], request: Request) -> None:
    """Apart from cursors, and from ids and times of what is made. Raises RuntimeError."""
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        answers = {}
        for server in servers:
            content = request.body or None
            headers = {"Content-Type": "application/json"}
            answer = client.request(request.method, server.url + request.path, content=content, headers=headers)
            answer.raise_for_status()
            answers[server.name] = answer.json()
    wanted = _comparable(answers[OURS], request)
    for name, answer in answers.items():
        if _comparable(answer, request) != wanted:
            raise RuntimeError(f"{name} answers {request.path} otherwise:\n{answer}\n{answers[OURS]}")


def _comparable(answer: dict[str, object], request: Request) -> dict[str, object]:
    left_out = (
        {"next_cursor"}
        if request.method == "GET"
        else {"id", "created_at", "updated_at", "in_progress_at", "created_by_user_id"}
    )
    return {name: value for name, value in answer.items() if name not in left_out}
