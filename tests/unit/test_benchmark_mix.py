"""The benchmark's mix has the shares that its row names."""

from tests.benchmarks.data import Size
from tests.benchmarks.load import Request
from tests.benchmarks.mix import RANGES, requests_of_mix

_REQUESTS = requests_of_mix(Size(tasks=20_000, boards=100))


def _is_view(request: Request) -> bool:
    return request.path.endswith("/snapshot") or "/metrics/dashboard" in request.path


def test_mix_shares_are_seven_reads_two_writes_and_one_view() -> None:
    views = sum(map(_is_view, _REQUESTS))
    writes = sum(request.method != "GET" for request in _REQUESTS)
    assert (len(_REQUESTS) - views - writes, writes, views) == (1_400, 400, 200)


def test_mix_reads_every_list_equally_often() -> None:
    reads = [r.path.rsplit("/", 1)[1] for r in _REQUESTS if r.method == "GET" and not _is_view(r)]
    lists = ["boards", "agents", "activity", "tags", "custom-fields", "members"]
    lists += ["tasks", "approvals", "memory", "webhooks"]
    assert set(reads) == set(lists)
    assert max(map(reads.count, lists)) < 1.2 * min(map(reads.count, lists))


def test_mix_asks_for_every_range_of_the_dashboard() -> None:
    asked = {r.path.partition("range_key=")[2] for r in _REQUESTS if "/metrics/dashboard" in r.path}
    assert asked == set(RANGES)


def test_mix_writes_tasks_comments_titles_and_statuses() -> None:
    bodies = [(r.method, name) for r in _REQUESTS for name in ("title", "message", "status") if f'"{name}":' in r.body]
    assert {kind: bodies.count(kind) for kind in set(bodies)} == {
        ("POST", "title"): 100,
        ("POST", "message"): 100,
        ("PATCH", "title"): 100,
        ("PATCH", "status"): 100,
    }
