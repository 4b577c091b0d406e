"""The rows that are requests, of the service and its rivals in turns."""

import json
from collections.abc import Sequence
from contextlib import ExitStack

import httpx

from tests.benchmarks.bench import Bench
from tests.benchmarks.data import Size
from tests.benchmarks.load import Request
from tests.benchmarks.results import Goal, Outcome
from tests.benchmarks.servers import OURS, RIVALS, Server, serving
from tests.conftest import TOKEN

_READ_GOALS = (Goal(0.6, "L1"), Goal(3, "L2"))


def get_board(bench: Bench) -> Outcome:
    size = bench.effort.size
    return _contest(bench, "board", "GET a board", [Request("GET", _board(size, n)) for n in range(size.boards)])


def list_tasks(bench: Bench) -> Outcome:
    size = bench.effort.size
    requests = [Request("GET", f"{_board(size, n)}/tasks") for n in range(size.boards)]
    return _contest(bench, "list", "List 50 tasks with tags, dependencies and custom fields", requests)


def create_task(bench: Bench) -> Outcome:
    size = bench.effort.size
    body = json.dumps({"title": "A task", "description": "What is to be done. " * 5})
    requests = [Request("POST", f"{_board(size, n)}/tasks", body) for n in range(size.boards)]
    return _contest(bench, "create", "Create a task with its event, durable", requests, goals=())


def update_task(bench: Bench) -> Outcome:
    """Each task in turn to in_progress, then each to review: every request changes the status, by the board's rules."""
    size = bench.effort.size
    # Of a board's tasks every fourth waits for one that is done.
    free = [(n, position) for position in range(0, size.tasks_of_board, 4) for n in range(1, size.boards)]
    requests = [
        Request("PATCH", f"{_board(size, n)}/tasks/{size.task_of_board(position, n)}", json.dumps(change))
        for change in (
            {"title": "It is begun", "status": "in_progress"},
            {"title": "It is looked at", "status": "review"},
        )
        for n, position in free
    ]
    return _contest(bench, "update", "PATCH a task through its rules, durable", requests, goals=())


def _board(size: Size, number: int) -> str:
    return f"/api/v1/boards/{size.board(number)}"


def _contest(
    bench: Bench, name: str, title: str, requests: Sequence[Request], goals: Sequence[Goal] = _READ_GOALS
) -> Outcome:
    with bench.database(bench.effort.size) as url, ExitStack() as stack:
        servers = [
            stack.enter_context(serving(who, url, bench.cores, bench.how, bench.folder)) for who in (*RIVALS, OURS)
        ]
        for server in servers:
            server.wait_until_ready(_board(bench.effort.size, 1) if server.name != OURS else "/readyz")
        _require_same_answers(servers, requests[0])
        turns = {server.name: lambda server=server: bench.load(server, requests) for server in servers}
        return Outcome(name, title, "requests/s", bench.in_turns(turns), goals)


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
