"""A plugin for pytest that forks for each fault once the tests are collected, and runs those that are asked for.

The fault is put into the functions that are there. What importing or building the application runs is as it was, and
so is what other processes run: who asks has a test that passes here run once more where a fault is in the file.
"""

import gc
import json
import os
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

import msgspec
import pytest

from app.core.config import Settings

# The variable with the number of the socket.
SOCKET = "MUTATION_SOCKET"
# The exit code of a child that cannot put the fault into functions.
NOT_HERE = 99
_REQUEST_BYTES = 1 << 20
_CODE = pytest.StashKey[int]()


def build_application() -> None:
    """Build the application that most tests use."""
    from tests import conftest  # noqa: PLC0415 - as pytest has imported it, with its assertions

    settings: Settings = conftest.settings_for("")
    conftest._built_without_database(msgspec.structs.replace(settings, database_url=None))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """Return None in a process of its own for each request, which goes on with its tests; in this one, at the end."""
    items = {item.nodeid: item for item in session.items}
    build_application()
    functions: dict[str, list[FunctionType]] = defaultdict(list)
    for function in gc.get_objects():
        if isinstance(function, FunctionType):
            functions[function.__code__.co_filename].append(function)
    gc.freeze()
    with socket.socket(fileno=int(os.environ[SOCKET])) as requests:
        while request := requests.recv(_REQUEST_BYTES):
            asked = json.loads(request)
            if (pid := os.fork()) == 0:
                signal.alarm(asked["seconds"])
                os.dup2(os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
                session.items = [items[name] for name in asked["tests"] if name in items]
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


def _put_in(functions: list[FunctionType], file: str, source: str) -> None:
    """Give the functions of the file the code that they have in this source. Raises ValueError where that cannot be."""
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
