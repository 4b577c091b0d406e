"""The rows about a pooler: the same requests over PgBouncer in transaction mode, and over connections of our own."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app.postgres.url.database_url import normalize_database_url
from tests.benchmarks.bench import Bench
from tests.benchmarks.load import Request
from tests.benchmarks.results import Goal, Outcome
from tests.benchmarks.servers import OURS, Server
from tests.support.pooler import pooling, through

_DIRECT, _POOLED = "direct", "over PgBouncer"
_PATHS = {"board": "/api/v1/boards/{board}", "list": "/api/v1/boards/{board}/tasks"}
# As many as the service has connections by default.
_SESSIONS = 20


def pgbouncer(bench: Bench) -> list[Outcome]:
    size = bench.effort.size
    with (
        bench.database(size) as url,
        _pooling(bench, url) as pooled,
        bench.serving(OURS, url) as direct,
        bench.serving(OURS, pooled, directly=url) as behind,
    ):
        servers = {_DIRECT: direct, _POOLED: behind}
        return [_compared(bench, servers, name, path) for name, path in _PATHS.items()]


@contextmanager
def _pooling(bench: Bench, database: str) -> Iterator[str]:
    """The URL of the same database by way of the pooler."""
    binary = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if binary is None:
        raise RuntimeError("Install the Debian package pgbouncer.")
    url = normalize_database_url(database)
    assert url.host is not None
    with pooling(binary, bench.folder, Path(url.host), url.port, "transaction", _SESSIONS) as port:
        yield through(port, database, parameters="?pgbouncer=true")


def _compared(bench: Bench, servers: Mapping[str, Server], name: str, path: str) -> Outcome:
    size = bench.effort.size
    requests = [Request("GET", path.format(board=size.board(n))) for n in range(size.boards)]
    turns = {way: partial(bench.load, server, requests) for way, server in servers.items()}
    goals = [Goal(0.5, _DIRECT, of=_POOLED)]
    return Outcome(f"pgbouncer {name}", f"GET {path}", "requests/s", bench.in_turns(turns), goals)
