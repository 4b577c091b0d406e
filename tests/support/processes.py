"""The project's commands as a person starts them, in a checkout and with an environment of the test's choice."""

import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from io import FileIO
from pathlib import Path
from secrets import randbelow
from tempfile import TemporaryFile

import httpx
import pytest

from tests.conftest import TOKEN
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
_OURS = {
    "DATABASE_URL",
    "ENVIRONMENT",
    "LOCAL_AUTH_TOKEN",
    "SECRET_KEY",
    "API_COMPATIBILITY",
    "DATA_DIR",
    "LITESTAR_APP",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "LOG_REQUESTS",
    "TRACING",
}
# The beginnings of the variables that the interpreter and the libraries read when they start.
READ_EARLY = ("PYTHON", "LANG", "LC_", "TERM")
_one_at_a_time = threading.Lock()
# Dozens of processes start here: without bytecode each would compile everything again.
_LEFT_OUT = _OURS | {"PYTHONDONTWRITEBYTECODE"}


def environment(**changes: str | None) -> dict[str, str]:
    """This process's environment without what the project reads, and with `changes`; None leaves a variable out."""
    kept = {k: v for k, v in os.environ.items() if k not in _LEFT_OUT and not k.startswith(("DB_", "AUTH_", "OIDC_"))}
    chosen = {"ENVIRONMENT": "test", "LOCAL_AUTH_TOKEN": TOKEN, "DB_CONNECT_TIMEOUT": "30", **changes}
    return {**kept, **{k: v for k, v in chosen.items() if v is not None}}


def run(
    *command: str,
    env: Mapping[str, str],
    cwd: Path = ROOT,
    bin_directory: Path = BIN,
    seconds: float = 2 * PATIENCE,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `alembic …` or `litestar …` to its end, at most `seconds`; standard input is no terminal unless given.

    What it writes to a descriptor that is given is not in the result.
    """
    program = [str(bin_directory / command[0]), *command[1:]]
    within = in_checkout(env, cwd)
    if not _can_be_forked(env, bin_directory):
        outputs = [subprocess.PIPE if given is None else given for given in (stdout, stderr)]
        return subprocess.run(
            program,
            env=within,
            cwd=cwd,
            stdin=stdin,
            stdout=outputs[0],
            stderr=outputs[1],
            text=True,
            timeout=seconds,
            check=False,
        )
    return run_forked(program, within, cwd, seconds, stdin, stdout, stderr)


def run_forked(
    program: list[str],
    env: Mapping[str, str],
    cwd: Path,
    seconds: float = 2 * PATIENCE,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command as `run` does, by the fork server of its environment."""
    with TemporaryFile() as out, TemporaryFile() as err, Path(os.devnull).open() as nothing:
        outputs = [out.fileno() if stdout is None else stdout, err.fileno() if stderr is None else stderr]
        process = Forked(program, env, cwd, [nothing.fileno() if stdin == subprocess.DEVNULL else stdin, *outputs])
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess(program, code, out.read().decode(), err.read().decode())


def _can_be_forked(env: Mapping[str, str], bin_directory: Path = BIN) -> bool:
    # One whose lines are recorded says at its start for which test.
    is_recorded = "COVERAGE_PROCESS_CONFIG" in env
    return bin_directory == BIN and not is_recorded and _read_early(env) == _read_early(environment())


def _read_early(env: Mapping[str, str]) -> dict[str, str]:
    """Return what is the same for all commands that are forked."""
    return {name: value for name, value in env.items() if name.startswith(READ_EARLY)}


class Forked:
    """A command that fork_server.py runs, with what tests use of Popen; `streams` are its first descriptors."""

    def __init__(
        self, command: list[str], env: Mapping[str, str], cwd: Path, streams: list[int], *, session: bool = False
    ) -> None:
        self.args = command
        self.returncode: int | None = None
        answers, telling = os.pipe()
        # Without a buffer, in which select() would not see the second line.
        self._answers = FileIO(answers)
        given = {"command": command, "env": env, "cwd": str(cwd), "session": session}
        directory = Path(command[0]).parent
        # Only a copy of the project has an `app` beside it that is not this one.
        has_own = cwd != ROOT and (cwd / "app").exists()
        ours = () if has_own else ("app",)
        try:
            with _one_at_a_time:
                requests, _ = _forking(directory, *(ours if directory == BIN else ("plimsoll_migrator",)))
            socket.send_fds(requests, [json.dumps(given).encode()], [*streams, telling])
        finally:
            os.close(telling)
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._answers.readline())
            self._answers.close()
        return self.returncode

    def send_signal(self, how: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, how)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _forking(directory: Path, *packages: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return the socket of a process that runs the directory's commands, and that process, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [str(directory / "python"), str(ROOT / "tests" / "support" / "fork_server.py"), *packages]
        # Not this process's terminal: by that the interpreter decides how it writes.
        return ours, subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment())


def in_checkout(env: Mapping[str, str], checkout: Path) -> dict[str, str]:
    """The environment in which `app` is that of the checkout, before the one that is installed."""
    return {**env, "PYTHONPATH": os.pathsep.join(filter(None, [str(checkout), env.get("PYTHONPATH")]))}


def copied_checkout(target: Path) -> Path:
    """The files that the commands need, in `target`, for a test that changes them."""
    for name in ("app", "migrations"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "alembic.ini", target)
    return target


def shown_on_a_terminal(
    *command: str, env: Mapping[str, str], cwd: Path = ROOT, columns: int = 160, typed: str = ""
) -> str:
    """Run `alembic …` or `litestar …` to a good end, and return what it writes on a terminal, where this is typed."""
    ours, theirs = pty.openpty()
    on_terminal = {**in_checkout({**env, "COLUMNS": str(columns)}, cwd), "TERM": "xterm"}
    program: list[str | Path] = [BIN / command[0], *command[1:]]
    running = subprocess.Popen(program, env=on_terminal, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    # A terminal whose other side is closed is an error, not an end.
    with suppress(OSError):
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert running.wait(timeout=PATIENCE) == 0, shown.decode()
    return shown.decode()


def start_logging(command: list[str], env: Mapping[str, str], cwd: Path, log: Path) -> Forked | subprocess.Popen[bytes]:
    """A command in a process group of its own, so that Ctrl-C can be sent to all of it, as a terminal does."""
    within = in_checkout(env, cwd)
    with log.open("w") as output, Path(os.devnull).open() as nothing:
        if _can_be_forked(env, Path(command[0]).parent):
            return Forked(command, within, cwd, [nothing.fileno(), output.fileno(), output.fileno()], session=True)
        return subprocess.Popen(
            command, env=within, cwd=cwd, stdin=nothing, stdout=output, stderr=output, start_new_session=True
        )


class Server:
    """A process of `litestar run`."""

    def __init__(self, process: Forked | subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=3).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"not ready (exit code {self.process.poll()}):\n{self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """SIGINT as a terminal sends it, to the whole group; everything else to the one process."""
        if self.process.poll() is None:
            send = os.killpg if how is signal.SIGINT else os.kill
            send(self.process.pid, how)
        return self.process.wait(timeout=PATIENCE)


@contextmanager
def serving(
    env: Mapping[str, str], log: Path, *arguments: str, cwd: Path = ROOT, bin_directory: Path = BIN
) -> Iterator[Server]:
    """A server on a free port of the loopback; killed at the end if it still runs."""
    port = free_port()
    process = start_logging([str(bin_directory / "litestar"), "run", "--port", str(port), *arguments], env, cwd, log)
    server = Server(process, port, log)
    try:
        yield server
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def require(present: bool, what: str) -> None:
    """Skips where a tool is missing; where everything is checked, that is a failure."""
    if not present:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"install {what}")


def debian_program(name: str, package: str) -> str:
    """The path of what a Debian package brings, perhaps into /usr/sbin, which is in root's PATH alone."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    require(found is not None, f"the Debian package {package}")
    assert found is not None
    return found


def free_port() -> int:
    """A port where nobody listens, another one each time.

    It is below those that the system gives to connections: one of these would soon be taken by somebody's.
    """
    while True:
        port = 10_000 + randbelow(22_000)
        if port in _given_ports:
            continue
        _given_ports.add(port)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


_given_ports: set[int] = set()
