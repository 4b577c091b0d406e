"""A process that has imported the libraries, and forks once for each command: that imports the project, and runs.

To import the libraries takes most of the time of a command, of which tests start hundreds. Nothing of `app` is imported
here: the command's checkout decides which that is. Everything else is as in a start of its own, to the exit code.
"""

import json
import os
import runpy
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

_LIBRARIES = (
    "advanced_alchemy.cli",
    "advanced_alchemy.extensions.litestar",
    "alembic.command",
    "asyncpg",
    "httpx",
    "jwt",
    "litestar.__main__",
    "litestar.plugins.pydantic",
    "prometheus_client",
    "re2",
    "structlog",
)
_REQUEST_BYTES = 1 << 20


def _next(requests: socket.socket) -> str:
    """Returns in a process of its own for each request, with the script to run; in this one, never."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 4)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            *streams, answers = descriptors
            if (pid := os.fork()) == 0:
                os.close(answers)
                return _become(streams, **json.loads(request))
            _watch(pid, answers)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(pid: int, answers: int) -> None:
    """Says which process it is, and how it ended."""
    for descriptor in range(3):
        os.close(descriptor)
    os.write(answers, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(streams: list[int], *, command: list[str], env: dict[str, str], cwd: str) -> str:
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    sys.path[0:1] = [str(Path(command[0]).parent), *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    return command[0]


if __name__ == "__main__":
    with socket.socket(fileno=os.dup(0)) as given:
        for library in _LIBRARIES:
            import_module(library)
        script = _next(given)
    runpy.run_path(script, run_name="__main__")
