"""The row about a mix: what people do with the service, over twice as many connections as the other rows."""

import json

from tests.benchmarks.bench import Bench
from tests.benchmarks.data import Size
from tests.benchmarks.load import Request
from tests.benchmarks.results import Goal, Outcome
from tests.benchmarks.servers import OURS

CLIENTS = 64
RANGES = ("24h", "3d", "7d", "14d", "1m", "3m", "6m", "1y")
_API = "/api/v1"
# The second hundred moves on the tasks that the first has begun, so that every round changes them.
_TURNS = 200


def mix(bench: Bench) -> list[Outcome]:
    """Measure the mix alone: no rival has all of its operations."""
    requests = requests_of_mix(bench.effort.size)
    with bench.database(bench.effort.size) as url, bench.serving(OURS, url) as server:
        samples = bench.in_turns({OURS: lambda: bench.load(server, requests, CLIENTS)})
    tails = [sample._replace(value=sample.p99 / sample.p50) for sample in samples[OURS] if sample.p50 and sample.p99]
    return [
        Outcome("mix", "70 % reads, 20 % writes, 10 % dashboards and snapshots", "requests/s", samples),
        Outcome("mix tail", "The mix's slowest in a hundred", "p99 / p50", {OURS: tails}, [Goal(6, at_most=True)]),
    ]


def requests_of_mix(size: Size) -> list[Request]:
    """Return the requests, board after board: of ten, seven read lists, two write, one is a dashboard or snapshot."""
    requests = []
    for turn in range(_TURNS):
        board = f"{_API}/boards/{size.board(turn)}"
        reads, writes = _reads(board), _writes(size, turn)
        for at, write in enumerate(writes):
            requests += [reads[(turn * 7 + at * 4 + n) % len(reads)] for n in range(4 - at)] + [write]
        requests.append(_view(board, turn))
    return requests


def _reads(board: str) -> list[Request]:
    everywhere = ("boards", "agents", "activity", "tags", "organizations/me/custom-fields", "organizations/me/members")
    of_board = ("tasks", "approvals", "memory", "webhooks")
    return [
        Request("GET", path) for path in (*(f"{_API}/{n}" for n in everywhere), *(f"{board}/{n}" for n in of_board))
    ]


def _writes(size: Size, turn: int) -> list[Request]:
    """Return two writes: a new task or a comment, and a change of a task's title or status."""
    board = f"{_API}/boards/{size.board(turn)}"
    # Every fourth task is in inbox, and waits for none that is open.
    task = f"{board}/tasks/{size.task_of_board(4, turn % size.boards or size.boards)}"
    made = (
        Request("POST", f"{board}/tasks", json.dumps({"title": "A task"})),
        Request("POST", f"{task}/comments", json.dumps({"message": "Seen, and begun."})),
    )
    changed = ({"title": f"It is turn {turn}"}, {"status": "review" if turn >= _TURNS / 2 else "in_progress"})
    return [made[turn % 2], Request("PATCH", task, json.dumps(changed[turn // 2 % 2]))]


def _view(board: str, turn: int) -> Request:
    if turn % 2:
        return Request("GET", f"{board}/snapshot")
    return Request("GET", f"{_API}/metrics/dashboard?range_key={RANGES[turn // 2 % len(RANGES)]}")
