"""Worker processes that serve on the same sockets, and the reloader that restarts one when its code changes."""

import signal
import socket
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType

import structlog
from uvicorn._subprocess import get_subprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload

from app.server.uvicorn_server import Server

# Seconds until a signal is noticed.
_POLL_INTERVAL = 0.1

log = structlog.stdlib.get_logger(__name__)


class Workers:
    """The worker processes. One that dies is replaced. If one cannot start, all end: the next could not either."""

    def __init__(self, server: Server, sockets: list[socket.socket]) -> None:
        self._server = server
        self._sockets = sockets
        self._workers: list[SpawnProcess] = []
        self._signal: int | None = None

    def run(self) -> int:
        """Serve until a signal arrives, and return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._workers = [self._start() for _ in range(self._server.config.workers)]
        failed = False
        while self._signal is None and not failed:
            wait([worker.sentinel for worker in self._workers], _POLL_INTERVAL)
            failed = self._replace_dead_workers()
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join()
        return STARTUP_FAILURE if self._signal is None else 128 + self._signal

    def _start(self) -> SpawnProcess:
        worker = get_subprocess(self._server.config, self._server.run, self._sockets)
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
            self._workers[place] = self._start()
        return False

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        """Note the signal, after which `run` ends the workers; at a second signal kill them."""
        if self._signal is not None:
            for worker in self._workers:
                worker.kill()
        self._signal = self._signal or number


class Reloader(ChangeReload):  # type: ignore[misc, valid-type]
    def signal_handler(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit.is_set():
            self.process.kill()
        super().signal_handler(sig, frame)
