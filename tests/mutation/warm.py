"""A plugin for pytest that forks for each fault once the tests are collected, and runs those that are asked for.

The fault is put into the functions that are there. What importing or building the application runs is as it was, and
so is what other processes run: who asks has a test that passes here run once more where a fault is in the file.
"""

import gc
import json
import os
import re
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

import msgspec
import psycopg
import pytest
from _pytest.fixtures import SubRequest
from sqlalchemy import make_url

from app.core.settings import Settings

# The variable with the number of the socket.
SOCKET = "MUTATION_SOCKET"
# The exit code of a child that cannot put the fault into functions.
NOT_HERE = 99
_REQUEST_BYTES = 1 << 20
_CODE = pytest.StashKey[int]()
# Tests that change rows alone, and so leave a database that others can have once those are gone.
_CHANGE_ROWS = re.compile(r"tests/integration/test_(api_(?!headers|read_only)\w+|tenancy)\.py")
_SHARED = "shared_by_mutants"
# Seconds that a test waits for what perhaps never comes to pass.
_PATIENCE = 10.0


def build_application() -> None:
    """Build the application that most tests use."""
    from tests import conftest  # noqa: PLC0415 - as pytest has imported it, with its assertions

    settings: Settings = conftest.settings_for("")
    conftest._built_without_database(msgspec.structs.replace(settings, database_url=None), 0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """Return None in a process of its own for each request, which goes on with its tests; in this one, at the end."""
    items = {item.nodeid: item for item in session.items}
    build_application()
    shared = _SharedDatabase(os.environ["TEST_DATABASE_URL"], os.environ["TEST_TEMPLATE"])
    functions: dict[str, list[FunctionType]] = defaultdict(list)
    # The application freezes what it is made of, which would not be shown.
    gc.unfreeze()
    for function in gc.get_objects():
        if isinstance(function, FunctionType):
            functions[function.__code__.co_filename].append(function)
    gc.freeze()
    with socket.socket(fileno=int(os.environ[SOCKET])) as requests:
        requests.send(b"ready")
        while request := requests.recv(_REQUEST_BYTES):
            asked = json.loads(request)
            if (pid := os.fork()) == 0:
                signal.alarm(asked["seconds"])
                os.dup2(os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
                session.items = [item for name in asked["tests"] for item in _named(name, items)]
                session.config.pluginmanager.register(shared)
                for module in list(sys.modules.values()):
                    if hasattr(module, "PATIENCE"):
                        module.PATIENCE = _PATIENCE  # type: ignore[attr-defined]
                try:
                    _put_in(functions[asked["file"]], asked["file"], asked["source"])
                except ValueError:
                    os._exit(NOT_HERE)
                return None
            requests.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    # Nothing is taken down of what the child shares with the others.
    sys.stdout.flush()
    os._exit(config.stash[_CODE])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_CODE] = int(exitstatus)


class _SharedDatabase:
    """One database for all tests that change rows alone: to clone and drop one takes longer than most of them."""

    def __init__(self, url: str, template: str) -> None:
        self._url = make_url(url).set(database=_SHARED)
        server = self._url.set(drivername="postgresql")
        self._conninfo = server.render_as_string(hide_password=False)
        with self._connection("postgres") as connection:
            connection.execute(f"CREATE DATABASE {_SHARED} TEMPLATE {template}")
        tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        with self._connection(_SHARED) as connection:
            named = [name for (name,) in connection.execute(f"{tables} AND relnamespace = 'public'::regnamespace")]
            # What the migrations have written there stays.
            empty = [name for name in named if not connection.execute(f"SELECT FROM {name} LIMIT 1").fetchall()]
        self._emptying = "; ".join(f"DELETE FROM {name}" for name in empty)

    def _connection(self, database: str) -> "psycopg.Connection[tuple[str]]":
        return psycopg.connect(self._conninfo, dbname=database, autocommit=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[str], request: SubRequest) -> str | None:
        if fixturedef.argname != "database_url" or not _CHANGE_ROWS.match(request.node.nodeid):
            return None
        with self._connection(_SHARED) as connection:
            connection.execute(f"SET session_replication_role = replica; {self._emptying}")
        url = self._url.render_as_string(hide_password=False)
        fixturedef.cached_result = (url, fixturedef.cache_key(request), None)
        return url

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and _CHANGE_ROWS.match(report.nodeid):
            # Nothing of the test has to be taken down.
            os.write(1, f"\nFAILED {report.nodeid}\n".encode())
            os._exit(int(pytest.ExitCode.TESTS_FAILED))


def _named(name: str, items: dict[str, pytest.Item]) -> list[pytest.Item]:
    """Return the test of this id, or those of a file, a class or a test with parameters."""
    if name in items:
        return [items[name]]
    return [item for node_id, item in items.items() if node_id.startswith((f"{name}::", f"{name}["))]


def _put_in(functions: list[FunctionType], file: str, source: str) -> None:
    """Give the functions of the file the code that they have in this source. Raises ValueError where that cannot be."""
    if not functions:
        raise ValueError("There is no function.")
    before, after = (list(_within(compile(text, file, "exec"))) for text in (Path(file).read_text(), source))
    if [code.co_qualname for code in before] != [code.co_qualname for code in after]:
        raise ValueError("There are other functions.")
    new: dict[tuple[str, int], list[CodeType]] = defaultdict(list)
    for old, code in zip(before, after, strict=True):
        new[_name(old)].append(code)
    for function in functions:
        # Two in one line would be more than one.
        (function.__code__,) = new[_name(function.__code__)]


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)


def _name(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno
