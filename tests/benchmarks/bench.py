"""What the rows share: the database server, the cores, and how long and often everything is measured."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import psycopg

from app.postgres.dev_server.server import acquire
from app.postgres.url.database_url import normalize_database_url
from tests.benchmarks.data import Size, seed
from tests.benchmarks.load import CONNECTIONS, Request, send
from tests.benchmarks.results import Sample
from tests.benchmarks.servers import Cores, Server, serving
from tests.conftest import database_named, settings_for
from tests.support.migrator import upgrade
from tests.support.processes import BIN

# Requests of a turn.
_FEW = 2 * CONNECTIONS


class Effort(NamedTuple):
    """How much is measured: turns of a contestant, `seconds` for each, and what the rows are about.

    `requests` are those after which memory is looked at; `large` is with ten million tasks.
    """

    rounds: int = 5
    seconds: float = 3.0
    size: Size = Size(tasks=20_000, boards=100)
    requests: int = 100_000
    streams: int = 1_000
    large: bool = False


class Bench(NamedTuple):
    """Where the rows are measured. `log` is the database server's."""

    server_url: str
    log: Path
    folder: Path
    cores: Cores
    effort: Effort

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of a database of this row's own."""
        name = f"bench_{uuid4().hex[:8]}"
        self._administer(f'CREATE DATABASE "{name}"')
        try:
            yield database_named(self.server_url, name)
        finally:
            self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')

    @contextmanager
    def database(self, size: Size | None = None) -> Iterator[str]:
        """The same at head, with data of this size or with none."""
        with self.empty_database() as url:
            upgrade(settings_for(url))
            if size is not None:
                seed(normalize_database_url(url).libpq, size)
            yield url

    @contextmanager
    def serving(
        self, name: str, database: str, ready: str = "/readyz", *, directly: str | None = None, programs: Path = BIN
    ) -> Iterator[Server]:
        """A contestant over this database, once it answers at the path `ready`.

        `directly` is the way past a pooler that is in between, `programs` the folder of another environment's.
        """
        with serving(name, database, self.cores, self.folder, directly, programs) as server:
            server.wait_until_ready(ready)
            yield server

    def _administer(self, statement: str) -> None:
        with psycopg.connect(normalize_database_url(self.server_url).libpq, autocommit=True) as connection:
            connection.execute(statement)

    def in_turns(self, contestants: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
        """A B A B …, after a turn each that does not count, unless there is but one round."""
        for turn in contestants.values() if self.effort.rounds > 1 else ():
            turn()
        samples: dict[str, list[Sample]] = {name: [] for name in contestants}
        for _ in range(self.effort.rounds):
            for name, turn in contestants.items():
                samples[name].append(turn())
        return samples

    def load(self, server: Server, requests: Sequence[Request], connections: int = CONNECTIONS) -> Sample:
        """One turn of these requests; a longer one where so few are answered that they say nothing."""
        done, seconds = None, self.effort.seconds
        while done is None or done.requests < _FEW:
            before = server.usage()
            done = send(server.url, requests, seconds, connections)
            after = server.usage()
            seconds *= 2
        cpu = (after.cpu - before.cpu) / done.requests * 1e6
        return Sample(done.requests / done.seconds, done.p50, done.p99, cpu, after.memory)


@contextmanager
def opened(effort: Effort) -> Iterator[Bench]:
    """A PostgreSQL that keeps what it commits, and this process and it away from the core that is measured."""
    cores = Cores.of_this_machine()
    os.sched_setaffinity(0, cores.others)
    with TemporaryDirectory(prefix="plimsoll-benchmarks-") as root:
        folder = Path(root)
        with acquire(folder / "postgres") as server:
            # Where this account is root's, the server and a pooler run as another.
            for place in (folder, folder / "postgres"):
                place.chmod(0o755)
            yield Bench(server.url, server.log_file, folder, cores, effort)
            server.release(wait=True)
