"""What the rows share: the database server, the cores, and how long and often everything is measured."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import psycopg

from app.db.embedded import acquire
from app.db.migrations.runner import upgrade
from app.db.url import normalize_database_url
from tests.benchmarks.data import Size, seed
from tests.benchmarks.load import Request, send
from tests.benchmarks.results import Sample
from tests.benchmarks.servers import Cores, Server
from tests.conftest import database_named, settings_for


class Effort(NamedTuple):
    """How much is measured: `seconds` for each turn, and the size of the databases that are called large."""

    rounds: int = 5
    seconds: float = 3.0
    size: Size = Size(tasks=20_000, boards=100)
    large: bool = False


class Bench(NamedTuple):
    """Where the rows are measured. `how` names the way in which everybody is served."""

    server_url: str
    folder: Path
    cores: Cores
    effort: Effort
    how: str

    @contextmanager
    def database(self, size: Size | None = None) -> Iterator[str]:
        """The URL of a database at head of this row's own, with data of this size, or with none."""
        name = f"bench_{uuid4().hex[:8]}"
        url = database_named(self.server_url, name)
        self._administer(f'CREATE DATABASE "{name}"')
        try:
            upgrade(settings_for(url))
            if size is not None:
                seed(normalize_database_url(url).libpq, size)
            yield url
        finally:
            self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        with psycopg.connect(normalize_database_url(self.server_url).libpq, autocommit=True) as connection:
            connection.execute(statement)

    def in_turns(self, contestants: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
        """A B A B …, after a turn each that does not count."""
        for turn in contestants.values():
            turn()
        samples: dict[str, list[Sample]] = {name: [] for name in contestants}
        for _ in range(self.effort.rounds):
            for name, turn in contestants.items():
                samples[name].append(turn())
        return samples

    def load(self, server: Server, requests: Sequence[Request]) -> Sample:
        """One turn of these requests."""
        before = server.usage()
        done = send(server.url, requests, self.effort.seconds)
        after = server.usage()
        cpu = (after.cpu - before.cpu) / done.requests * 1e6
        return Sample(done.requests / done.seconds, done.p50, done.p99, cpu, after.memory)


@contextmanager
def opened(effort: Effort, how: str) -> Iterator[Bench]:
    """A PostgreSQL that keeps what it commits, and this process and it away from the core that is measured."""
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.others)
    with TemporaryDirectory(prefix="plimsoll-benchmarks-") as root:
        folder = Path(root)
        # The server runs as another account where this one is root's.
        folder.chmod(0o755)
        with acquire(folder / "postgres") as server:
            yield Bench(server.url, folder, cores, effort, how)
            server.release(wait=True)
