"""The servers that are compared: one worker process each, on a core of their own, all served by uvicorn."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple

import psutil

from app.postgres.url.database_url import normalize_database_url
from tests.support.processes import ROOT, environment, free_port, in_checkout

_RIVALS = "tests.benchmarks.rivals"
# As people start it, and a rival the same way: without a log of requests. granian in place of uvicorn was 1.02 times as
# fast for a board and no faster for the list.
_SERVICE = ("{programs}/litestar", "run", "--port={port}")
_RIVAL = (sys.executable, "-m", "uvicorn", "--port={port}", "--no-access-log", "{app}")
RIVALS = {
    "L0": f"{_RIVALS}.bare:app",
    "L1": f"{_RIVALS}.litestar_asyncpg:app",
    "L2": f"{_RIVALS}.advanced_alchemy:app",
}
OURS = "ours"


class Cores(NamedTuple):
    """Where what runs: the one worker that is measured, and everything else."""

    worker: set[int]
    others: set[int]

    @classmethod
    def of_this_machine(cls) -> "Cores":
        first, *rest = sorted(psutil.Process().cpu_affinity() or range(os.cpu_count() or 1))
        return cls({first}, set(rest) or {first})


class Usage(NamedTuple):
    """Of a server's processes together: seconds of processor time, and MB that are resident."""

    cpu: float
    memory: float


class Server:
    """One contestant that serves."""

    def __init__(self, name: str, process: psutil.Process, port: int, log: Path, started_at: float) -> None:
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.started_at = started_at
        self.process = process
        self._log = log

    def usage(self) -> Usage:
        """Of the process that started and, where that has workers, of them."""
        processes = [self.process, *self.process.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        cpu = sum(time.user + time.system for time in times)
        return Usage(cpu, max(process.memory_info().rss for process in processes) / 2**20)

    def wait_until_ready(self, path: str, seconds: float = 60) -> None:
        """Until this path is answered with 200."""
        while time.monotonic() < self.started_at + seconds and self.process.is_running():
            with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as asking:
                asking.request("GET", path)
                if asking.getresponse().status == HTTPStatus.OK:
                    return
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} is not ready:\n{self._log.read_text()}")


@contextmanager
def serving(
    name: str, database: str, cores: Cores, folder: Path, directly: str | None, programs: Path
) -> Iterator[Server]:
    """A contestant on a free port of the loopback, with the database of this URL; killed at the end."""
    port, dsn = free_port(), normalize_database_url(database).libpq
    parts = {"port": port, "app": RIVALS.get(name), "programs": programs}
    command = [part.format(**parts) for part in (_SERVICE if name == OURS else _RIVAL)]
    log = folder / f"{name}-{port}.log"
    settings = environment(ENVIRONMENT="production", DATABASE_URL=database, DB_AUTO_MIGRATE="true", RIVAL_DSN=dsn)
    settings |= {"MIGRATION_DATABASE_URL": directly} if directly else {}
    env, began = in_checkout(settings, ROOT), time.monotonic()
    with _running(command, env, cores.worker, log) as process:
        yield Server(name, process, port, log, began)


@contextmanager
def _running(command: list[str], env: Mapping[str, str], cores: set[int], log: Path) -> Iterator[psutil.Process]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        # What it starts from here on stays on these cores too.
        watched = psutil.Process(process.pid)
        watched.cpu_affinity(sorted(cores))
        yield watched
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        process.wait()
