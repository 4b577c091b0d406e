"""A process that has imported the libraries, and forks once for each command: that imports the project, and runs.

To import takes most of the time of a command, of which tests start hundreds. The packages that this is started with
are imported beforehand, too: the project's, for commands of this checkout and not of a copy, or the engine's where its
wheel is installed. Everything else is as in a start of its own, to the exit code.
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

_LIBRARIES = (
    "advanced_alchemy.cli",
    "advanced_alchemy.extensions.litestar",
    "alembic.command",
    "asyncpg",
    "fastapi",
    "httpx",
    "jwt",
    "litestar.__main__",
    "litestar.plugins.attrs",
    "litestar.plugins.pydantic",
    "prometheus_client",
    "psycopg",
    "re2",
    "structlog",
    "uvicorn",
)
_REQUEST_BYTES = 1 << 20


def _import_libraries() -> None:
    for library in _LIBRARIES:
        # The environment of another project lacks some, and what is optional in others.
        with suppress(ImportError):
            import_module(library)


def _import_package(name: str) -> None:
    root = str(Path(__file__).resolve().parents[2])
    if name == "app":
        sys.path.insert(1, root)
    package = import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not module.name.endswith(".__main__"):
            # Or what an extra brings.
            with suppress(ImportError):
                import_module(module.name)
    if name == "app":
        sys.path.remove(root)


def _next(requests: socket.socket) -> list[str]:
    """Return in a process of its own for each request, with the command to run; in this one, never."""
    has_ended, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([requests, has_ended], [], [])
        if has_ended in ready:
            has_ended.recv(_REQUEST_BYTES)
            _tell_of_the_ended(running)
        if requests not in ready:
            continue
        request, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, 4)
        if not request:
            os._exit(0)
        *streams, answers = descriptors
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (requests, has_ended, tells):
                one.close()
            for descriptor in (answers, *running.values()):
                os.close(descriptor)
            return _become(streams, **json.loads(request))
        os.write(answers, f"{pid}\n".encode())
        running[pid] = answers
        for descriptor in streams:
            os.close(descriptor)


def _tell_of_the_ended(running: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with suppress(BrokenPipeError):  # Whoever asked may not want to know.
                os.write(running[pid], f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os.close(running.pop(pid))


def _become(streams: list[int], *, command: list[str], env: dict[str, str], cwd: str, session: bool) -> list[str]:
    if session:
        os.setsid()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    for descriptor in streams:
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0:1] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    return command


def _execute(command: list[str]) -> None:
    """Run a script, or a module, a file or code of the interpreter's command line."""
    if Path(command[0]).name == "python":
        del command[0]
    match command:
        case ["-c", code, *arguments]:
            sys.argv = ["-c", *arguments]
            sys.path.insert(0, "")
            exec(compile(code, "<string>", "exec"), sys.modules["__main__"].__dict__)
        case ["-m", name, *arguments]:
            sys.argv = [name, *arguments]
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        case [script, *_]:
            sys.argv = command
            sys.path.insert(0, str(Path(script).parent.absolute()))
            runpy.run_path(script, run_name="__main__")


def _run(command: list[str]) -> None:
    """Run it as the interpreter would, which however takes long to end: each object is looked at, and so copied."""
    try:
        _execute(command)
        code = 0
    except SystemExit as exc:
        if not isinstance(exc.code, int | None):
            raise
        code = exc.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)  # The interpreter makes of it what it does.
    os._exit(code & 0xFF)


if __name__ == "__main__":
    with socket.socket(fileno=os.dup(0)) as given:
        gc.disable()
        _import_libraries()
        for name in sys.argv[1:]:
            _import_package(name)
        # What a collection in a child looked at, it would copy.
        gc.collect()
        gc.freeze()
        gc.enable()
        command = _next(given)
    _run(command)
