"""The rows about size: the same requests where there is little, and where there is much."""

from contextlib import ExitStack
from functools import partial

import httpx

from tests.benchmarks.bench import Bench
from tests.benchmarks.data import Size
from tests.benchmarks.load import Request
from tests.benchmarks.results import Goal, Outcome
from tests.benchmarks.servers import OURS, Server
from tests.conftest import TOKEN

_DEEP = 1_000_000
# A board has the same number of tasks in each, and one is made every minute: for a week, seven months, 19 years.
_SMALL, _LESS_LARGE, _LARGE = (Size(boards * 10_000, boards) for boards in (1, 30, 1_000))
_GROWTH = "As many tasks a board, and a day, in both."
_PATHS = {
    "list": "/api/v1/boards/{board}/tasks",
    "dashboard": "/api/v1/metrics/dashboard",
    "feed": "/api/v1/activity?cursor=",
}


def deep_page(bench: Bench) -> list[Outcome]:
    """By cursors both: a page by offset counts the whole list besides."""
    size = Size(tasks=_DEEP + 200, boards=1, details=False)
    tasks = f"/api/v1/boards/{size.board(0)}/tasks"
    near, deep = "near the first", f"at {_DEEP:,}"
    with bench.database(size) as url, bench.serving(OURS, url) as server:
        turns = {}
        for name, place in ((deep, _DEEP), (near, 1)):
            cursor = _get(server, f"{tasks}?limit=1&offset={place}")["next_cursor"]
            turns[name] = partial(bench.load, server, [Request("GET", f"{tasks}?cursor={cursor}")])
        samples = bench.in_turns(turns)
    return [Outcome("depth", "50 tasks of 1,000,200 by cursor", "requests/s", samples, [Goal(0.8, near, of=deep)])]


def grown(bench: Bench) -> list[Outcome]:
    """The same requests of an organization after a week, and after months or, of the large one, years."""
    large = _LARGE if bench.effort.large else _LESS_LARGE
    with ExitStack() as stack:
        servers = {}
        for size in (large, _SMALL):
            url = stack.enter_context(bench.database(size))
            servers[f"{size.tasks:,} tasks"] = stack.enter_context(bench.serving(OURS, url))
        outcomes = []
        for name, path in _PATHS.items():
            request = Request("GET", path.format(board=_SMALL.board(0)))
            turns = {size: partial(bench.load, server, [request]) for size, server in servers.items()}
            much, little = turns
            goals = [Goal(0.7, little, of=much)]
            outcomes.append(
                Outcome(f"grown {name}", f"GET {path}", "requests/s", bench.in_turns(turns), goals, _GROWTH)
            )
    return outcomes


def _get(server: Server, path: str) -> dict[str, str]:
    response = httpx.get(server.url + path, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    response.raise_for_status()
    found: dict[str, str] = response.json()
    return found
