"""Puts the faults in one at a time, each in the same copy of the checkout, and runs the tests that may notice it."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
import psutil
import pytest
from sqlalchemy import create_engine, make_url, text

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.postgres.dev_server.server import acquire
from tests.conftest import database_named, settings_for
from tests.mutation import warm
from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.record import STATE, Record, copied_checkout
from tests.support.memory import new_directory
from tests.support.migrator import upgrade
from tests.support.processes import BIN, environment, in_checkout, run

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
SURVIVORS = STATE / "survivors.txt"
_RESULTS = STATE / "results.jsonl"
_TEMPLATE = "template_of_mutants"
_PR_SET_CHILD_SUBREAPER = 36
_BYTES = 16  # Of an answer of the process that has collected the tests.
_LONGEST = 600.0  # Seconds for tests of a module as it is.
_PYTEST = ("pytest", "-n", "0", "-p", "no:cacheprovider", "-p", "no:faker", "-x", "--tb=line", "-rfE")
# It is started by a process that has imported libraries.
_LATE = "-Wignore::pytest.PytestAssertRewriteWarning"
# The tests that may run in a process that has collected them; of others few run a line in their own process.
_WARM = ("tests/unit", "tests/integration")
_PASSED, _NO_TESTS = pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED


class BrokenTestsError(Exception):
    """Tests fail without a fault."""


class Result(NamedTuple):
    """How the tests took a fault: `outcome` is killed, survived or uncovered; `by` says what killed it."""

    key: str
    outcome: str
    by: str
    tests: int


def run_mutants(paths: Iterable[str], record: Record, options: "Options", tell: Callable[[Result], None]) -> None:
    """Judge each fault of the modules that has no result yet, until the time is up. Raises BrokenTestsError."""
    done = results()
    with _Bench(options) as bench:
        for path in paths:
            source = record.source_of(path)
            todo = [
                m for m in mutants_of(path, source) if m.key not in equivalents() and options.wants(done.get(m.key))
            ]
            if todo:
                bench.try_unchanged(path, todo, record)
            for mutant in todo:
                if time.monotonic() > options.until:
                    return
                result = bench.judge(mutant, source, record)
                _keep(result)
                tell(result)


class Finished(NamedTuple):
    """A run of pytest: its exit code, and what it said."""

    code: int
    said: str


# What stands for a run that was not possible.
_NOT_HERE = Finished(warm.NOT_HERE, "")


class Options(NamedTuple):
    """`until` is a moment of the monotonic clock, `budget` the seconds of tests for a fault, as they were recorded.

    `tests` are run beside those that were recorded.
    """

    until: float
    budget: float
    tests: tuple[str, ...] = ()
    survivors: bool = False

    def wants(self, before: Result | None) -> bool:
        """Tell whether a fault is to be judged, again where it was before."""
        if before is None:
            return not self.survivors
        return self.survivors and before.outcome != "killed"


def results() -> dict[str, Result]:
    """Return the last result of each fault."""
    lines = _RESULTS.read_text().splitlines() if _RESULTS.exists() else ()
    return {result.key: result for result in (Result(**json.loads(line)) for line in lines)}


def equivalents() -> dict[str, str]:
    """Return the faults that change nothing which a test could see, with the reason of each."""
    by_module = tomllib.loads(EQUIVALENT.read_text())
    return {f"{path}::{fault}": why for path, faults in by_module.items() for fault, why in faults.items()}


def write_survivors() -> int:
    """Write the faults that no test has noticed to a file, by module; return how many there are."""
    alive = sorted(result for result in results().values() if result.outcome != "killed")
    SURVIVORS.write_text("".join(f"{result.key}  [{result.outcome}, {result.tests} tests]\n" for result in alive))
    return len(alive)


def _keep(result: Result) -> None:
    with _RESULTS.open("a") as file:
        file.write(json.dumps(result._asdict()) + "\n")


class _Bench:
    """A copy of the checkout, a server with a migrated template, and what runs tests there."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._held = ExitStack()
        self._server = ExitStack()
        # Each fault makes its file newer by a second: bytecode is taken for that of a file by its size and time.
        self._written = int(time.time())

    def __enter__(self) -> Self:
        configure_logging(msgspec.structs.replace(Settings(), log_level="ERROR"))
        # What a test leaves behind becomes a child of ours, to be found and ended.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._copy = self._held.enter_context(copied_checkout())
        self._said = self._copy / "said.txt"
        self._held.enter_context(self._server)
        self._start_server()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def try_unchanged(self, path: str, mutants: list[Mutant], record: Record) -> None:
        """Run tests of a module as it is. Raises BrokenTestsError."""
        for mutant in mutants:
            if tests := self._tests(mutant, record):
                finished = self._run(tests, _LONGEST)
                if finished.code != _PASSED:
                    raise BrokenTestsError(
                        f"{path} without a fault, of tests that may have changed since: {finished.said or 'no end'}"
                    )
                return

    def judge(self, mutant: Mutant, source: str, record: Record) -> Result:
        """Run the tests with the fault, in the process that has them if that may do. Raises BrokenTestsError."""
        here = [*self._options.tests, *record.tests_of(mutant, self._options.budget, started_too=False)]
        finished, tests = _NOT_HERE, here
        if here and not mutant.is_import:
            finished = self._run_warm(here, self._limit(here, record), mutant, source)
        if finished == _NOT_HERE or (finished.code == _PASSED and record.is_run_elsewhere(mutant)):
            tests = self._tests(mutant, record)
            if not tests:
                return Result(mutant.key, "uncovered", "", 0)
            finished = self._run_with(mutant, source, tests, self._limit(tests, record))
        if finished.code < 0:
            by = "no end" if finished.code == -signal.SIGALRM else "a crash"
            return Result(mutant.key, "killed", by, len(tests))
        if finished.code == _NO_TESTS:
            raise BrokenTestsError(finished.said)
        if finished.code == _PASSED:
            return Result(mutant.key, "survived", "", len(tests))
        failed = re.search(r"^(FAILED|ERROR) (\S+)", finished.said, re.MULTILINE)
        return Result(mutant.key, "killed", failed[2] if failed else f"exit code {finished.code}", len(tests))

    def _start_server(self) -> None:
        self._server.close()
        url = self._server.enter_context(_server())
        self._env = environment(TEST_DATABASE_URL=url, TEST_TEMPLATE=_TEMPLATE)
        self._warm = self._server.enter_context(_warm_pytest(self._env, self._copy))
        # What starts the others starts now, and is no leftover.
        run(_PYTEST[0], _LATE, "--version", env=self._env, cwd=self._copy)
        self._ours = {process.pid for process in psutil.Process().children()}

    def _limit(self, tests: Iterable[str], record: Record) -> float:
        return 20 + 4 * sum(record.seconds.get(test, 1) for test in tests)

    def _tests(self, mutant: Mutant, record: Record) -> list[str]:
        return [*self._options.tests, *record.tests_of(mutant, self._options.budget)]

    def _run_warm(self, tests: Iterable[str], seconds: float, mutant: Mutant, source: str) -> "Finished":
        """Run the tests until one fails, with the fault in the functions of a process that has them already."""
        asked = {
            "file": str(self._copy / mutant.path),
            "source": mutant.applied_to(source),
            "tests": tests,
            "seconds": int(seconds),
            "output": str(self._said),
        }
        self._warm.send(json.dumps(asked).encode())
        if not (code := self._warm.recv(_BYTES)):
            raise BrokenTestsError("The process that has collected the tests has ended.")
        _end_leftovers(self._ours)
        return _NOT_HERE if int(code) == warm.NOT_HERE else Finished(int(code), self._said.read_text())

    def _run_with(self, mutant: Mutant, source: str, tests: Iterable[str], seconds: float) -> "Finished":
        """Run the tests until one fails, with the fault in the module's file."""
        self._write(mutant.path, mutant.applied_to(source))
        try:
            finished = self._run(tests, seconds)
        finally:
            self._write(mutant.path, source)
            _end_leftovers(self._ours)
        if finished.code < 0:
            # Its databases and roles are there yet.
            self._start_server()
        return finished

    def _write(self, path: str, source: str) -> None:
        self._written += 1
        (self._copy / path).write_text(source)
        os.utime(self._copy / path, (self._written, self._written))

    def _run(self, tests: Iterable[str], seconds: float) -> "Finished":
        """Run the tests until one fails; what takes too long is ended as if by its own alarm."""
        (self._copy / "chosen.txt").write_text("\n".join(tests))
        try:
            done = run(*_PYTEST, _LATE, "@chosen.txt", env=self._env, cwd=self._copy, seconds=seconds)
        except subprocess.TimeoutExpired:
            return Finished(-signal.SIGALRM, "")
        return Finished(done.returncode, done.stdout or done.stderr)


@contextmanager
def _warm_pytest(env: Mapping[str, str], copy: Path) -> Iterator[socket.socket]:
    """Yield the socket of a pytest that has collected the tests, and runs those that it is asked for."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, (copy / "warm.txt").open("w") as output:
        process = subprocess.Popen(
            [BIN / _PYTEST[0], *_PYTEST[1:], "-s", "-p", warm.__name__, *_WARM],
            cwd=copy,
            env={**in_checkout(env, copy), warm.SOCKET: str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        try:
            # A fault in a file before this would be collected with the tests, and stay.
            if not ours.recv(_BYTES):
                raise BrokenTestsError("The tests cannot be collected.")
            yield ours
        finally:
            ours.close()
            process.wait()


@contextmanager
def _server() -> Iterator[str]:
    """The URL of a server with a template at head."""
    data = new_directory()
    try:
        with acquire(data, durable=False) as server:
            url = make_url(server.url).set(drivername="postgresql+psycopg")
            engine = create_engine(url, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {_TEMPLATE}"))
            engine.dispose()
            upgrade(settings_for(database_named(server.url, _TEMPLATE)))
            yield server.url
            server.release(wait=True)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _end_leftovers(ours: Collection[int]) -> None:
    """End the processes that tests have left, which have become our children."""
    for child in psutil.Process().children():
        if child.pid not in ours:
            for process in (*child.children(recursive=True), child):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            child.wait()
