"""The processes of a server in a data directory: which ones there are, and how those of an earlier server are ended."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from .account import LINUX
from .files import Files, try_lock

LONGEST_STOP = 10.0  # Seconds until the next harsher signal.


class StartError(Exception):
    """The server could not be started; the text says what is wrong and what to do."""


def end_leftovers(files: Files, server_lock: int) -> None:
    """Wait until no process of an earlier server is left; end those that do not end by themselves.

    After kill -9 of the supervisor the server is shutting down. After kill -9 of the server a backend goes on with its
    query, and its memory keeps a new server from starting. Both still hold the lock `server`.
    """
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if try_lock(server_lock, exclusive=True):
            break
        found = _server_processes(files)
        if how is signal.SIGINT and not (found := [pid for pid in found if pid == _postmaster_pid(files)]):
            continue  # The fast shutdown is the postmaster's: to its children SIGINT means other things.
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        deadline = time.monotonic() + LONGEST_STOP
        while not try_lock(server_lock, exclusive=True) and time.monotonic() < deadline:
            time.sleep(0.01)
    if not try_lock(server_lock, exclusive=True):
        raise StartError(f"Processes of an earlier PostgreSQL still use {files.data}: end them.")
    if others := _server_processes(files):
        raise StartError(f"A PostgreSQL that was started otherwise (process {others[0]}) uses {files.data}: stop it.")


def _server_processes(files: Files) -> list[int]:
    """Return the processes named postgres that work in the data directory; without /proc, the postmaster at most."""
    if not LINUX:
        pid = _postmaster_pid(files)
        ps = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
        return [pid] if pid and ps.stdout.strip().endswith("postgres") else []
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It ended, or is another account's.
            if (process / "comm").read_text() == "postgres\n" and (process / "cwd").readlink() == files.data:
                found.append(int(process.name))
    return found


def read_pid_file(files: Files) -> list[str]:
    """Return the lines of postmaster.pid; none if there is no server."""
    try:
        return (files.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _postmaster_pid(files: Files) -> int:
    lines = read_pid_file(files)
    return int(lines[0]) if lines and lines[0].isdigit() else 0
