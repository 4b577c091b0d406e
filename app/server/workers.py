"""Worker processes that serve on the same sockets, and the reloader that restarts one when its code changes."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import structlog
from uvicorn._subprocess import get_subprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload

from app.core.worker import Worker, become_worker
from app.server.uvicorn_server import Server

# Seconds until a signal is noticed.
_POLL_INTERVAL = 0.1
# Bytes of a folder's path in which a socket has a path that the system takes: of 104 at most on macOS, 108 on Linux.
_LONGEST_FOLDER = 90

log = structlog.stdlib.get_logger(__name__)


class Workers:
    """The worker processes. One that dies is replaced. If one cannot start, all end: the next could not either."""

    def __init__(self, server: Server, sockets: list[socket.socket]) -> None:
        self._server = server
        self._sockets = sockets
        self._workers: list[SpawnProcess] = []
        self._folder: Path | None = None
        self._signal: int | None = None

    def run(self) -> int:
        """Serve until a signal arrives, and return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        with folder_of_sockets() as self._folder:
            self._workers = [self._start(number) for number in range(self._server.config.workers)]
            failed = False
            while self._signal is None and not failed:
                wait([worker.sentinel for worker in self._workers], _POLL_INTERVAL)
                failed = self._replace_dead_workers()
            for worker in self._workers:
                worker.terminate()
            for worker in self._workers:
                worker.join()
        return STARTUP_FAILURE if self._signal is None else 128 + self._signal

    def _start(self, number: int) -> SpawnProcess:
        serve = self._server.run
        if self._folder is not None:
            serve = partial(_serve_as, Worker(number, self._folder), serve)
        worker = get_subprocess(self._server.config, serve, self._sockets)
        worker.start()
        return worker

    def _replace_dead_workers(self) -> bool:
        """Replace each worker that has died; return whether one has failed to start."""
        for place, worker in enumerate(self._workers):
            if worker.is_alive() or self._signal is not None:
                continue
            if worker.exitcode == STARTUP_FAILURE:
                return True
            log.error("a worker has died, and is replaced", pid=worker.pid, exit_code=worker.exitcode)
            self._workers[place] = self._start(place)
        return False

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        """Note the signal, after which `run` ends the workers; at a second signal kill them."""
        if self._signal is not None:
            for worker in self._workers:
                worker.kill()
        self._signal = self._signal or number


@contextmanager
def folder_of_sockets() -> Iterator[Path | None]:
    """Yield a folder where workers can have sockets; None if there is none, and they serve without."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(TemporaryDirectory(prefix="plimsoll-", ignore_cleanup_errors=True))
            unfit = f"{folder} is too long" if len(os.fsencode(folder)) > _LONGEST_FOLDER else None
        except OSError as exc:
            unfit = str(exc)
        if unfit:
            log.warning("/metrics will show the one worker that answers: no folder for sockets", reason=unfit)
            yield None
        else:
            yield Path(folder)


def _serve_as(worker: Worker, serve: Callable[[list[socket.socket]], None], sockets: list[socket.socket]) -> None:
    become_worker(worker)
    serve(sockets)


class Reloader(ChangeReload):  # type: ignore[misc, valid-type]
    def signal_handler(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit.is_set():
            self.process.kill()
        super().signal_handler(sig, frame)
