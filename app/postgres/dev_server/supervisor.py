"""The supervisor: a small process of its own that starts PostgreSQL, and stops it when the last user has gone.

It has its own session, so that Ctrl-C in a terminal reaches neither it nor the server. It learns from the kernel that a
user has gone, however that was, because it waits for a lock that users share. If the supervisor itself is killed, the
server shuts down, and a user that is still there starts another. It runs without site-packages, as `server.py` calls
it.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .account import end_with_parent, leave_root, name_process
from .files import SOCKET_NAME, Files, make_socket_directory
from .server_processes import LONGEST_STOP, StartError, end_leftovers, read_pid_file

DATABASE = "plimsoll"
READY = "ready"
_LARGEST_LOG = 1_000_000  # Bytes, at a start.
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Saves the three processes that PostgreSQL 18 has for reading by default.
    "io_method": "sync",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "cluster_name": DATABASE,
}
# Committed data survives kill -9 all the same; with synchronous_commit off it would not.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
# The provider "builtin" sorts and folds case alike on every platform, and needs no locale of the system's.
_INITDB = (
    *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
_PSQL = ("-XqAtw", "-vON_ERROR_STOP=1", "-p5432", "-Upostgres", "-dpostgres", "-h")
_CREATE_DATABASE = (
    f"SELECT 'CREATE DATABASE {DATABASE}' WHERE NOT EXISTS "  # noqa: S608 - a constant
    f"(SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n"
)


class Start(NamedTuple):
    """One start of the server.

    `version` is that of the binaries, such as "18.6"; `lock` is a descriptor of the lock `server`.
    """

    files: Files
    bin: Path
    durable: bool
    version: str
    lock: int


def main() -> None:
    """Start the server and supervise it, as the command line says.

    The arguments are the root of Files, the binaries' directory, `durable` as 0 or 1, and three descriptors: of the
    lock `keeper`, which is held for life, of the lock `starting`, which is held until the server is ready, and of a
    pipe for the report.
    """
    root, binaries, durable, *descriptors = sys.argv[1:]
    if os.fork():
        os._exit(0)  # The process that started us has no child to wait for.
    _, starting, report = (inherited := [int(text) for text in descriptors])
    for descriptor in inherited:
        os.set_inheritable(descriptor, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.umask(0o077)
    try:
        name_process("plimsoll-keeper")
        files = Files(Path(root))
        users, server = files.open_lock("users"), files.open_lock("server")
        version = _become_owner(files, Path(binaries))
        postmaster = _start(Start(files, Path(binaries), durable == "1", version, server))
    except (OSError, StartError, subprocess.SubprocessError) as exc:
        _report(report, str(exc))
        sys.exit(1)
    os.close(starting)
    _report(report, READY)
    _supervise(files, postmaster, users)


def _report(report: int, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # The process that started us may have ended already.
        os.write(report, text.encode(errors="replace"))
    os.close(report)


def _become_owner(files: Files, binaries: Path) -> str:
    """Become the account that the files belong to, and return the binaries' version."""

    def probe() -> str:
        os.listdir(files.root)  # noqa: PTH208 - Path.iterdir is lazy
        command = [str(binaries / "postgres"), "--version"]
        if not os.access(command[0], os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), command[0])
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]  # noqa: S603

    if os.geteuid() != 0:
        return probe()
    owner = files.root.stat()
    try:
        return leave_root(owner.st_uid, owner.st_gid, probe)
    except PermissionError as exc:
        raise StartError(
            f"PostgreSQL refuses to run as root, and uid {owner.st_uid}, as which it would run, is not let in: {exc}. "
            "Move the checkout and its environment out of the private folder."
        ) from None


def _start(start: Start) -> "subprocess.Popen[bytes]":
    """Return the running server, after cleaning up what an earlier one has left behind, but never its data."""
    files = start.files
    _open_log(files)
    end_leftovers(files, start.lock)
    for stale in (files.data / "postmaster.pid", files.socket, files.socket.with_name(f"{SOCKET_NAME}.lock")):
        stale.unlink(missing_ok=True)
    _ensure_cluster(start)
    make_socket_directory(files)
    log_start = files.log.stat().st_size
    postmaster = _run_server(start)
    os.close(start.lock)  # From here on the server's processes alone hold it.
    _wait_until_ready(files, postmaster, log_start)
    _run(files, [start.bin / "psql", *_PSQL, files.socket_directory], stdin=_CREATE_DATABASE)
    return postmaster


def _open_log(files: Files) -> None:
    """Rotate the log if it is large, and send this process's standard error there."""
    if files.log.exists() and files.log.stat().st_size > _LARGEST_LOG:
        files.log.replace(files.log.with_suffix(".log.1"))
    log = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 2)
    os.close(log)


def _ensure_cluster(start: Start) -> None:
    """Create the data directory if there is none. Raises StartError for one that these binaries cannot run."""
    data = start.files.data
    if not data.exists() or not any(data.iterdir()):
        _create_cluster(start)
    elif not (data / "PG_VERSION").exists():
        raise StartError(f"{data} is not a data directory of PostgreSQL. Move it away: a new one is then made.")
    elif (found := (data / "PG_VERSION").read_text().strip()) != (major := start.version.split(".")[0]):
        raise StartError(
            f"{data} was made by PostgreSQL {found}, and the installed one is {major}. Dump it with PostgreSQL {found} "
            "if you need what is in it, and move it away: a new one is then made."
        )


def _create_cluster(start: Start) -> None:
    """Create the data directory under another name and rename it, so that it is whole or is not there."""
    files = start.files
    for half_made in files.root.glob("new-*"):
        shutil.rmtree(half_made, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=files.root))
    _run(
        files, [start.bin / "initdb", "-D", new, *_INITDB, *([] if start.durable else ["--no-sync"])], lock=[start.lock]
    )
    new.rename(files.data)
    if start.durable:
        # Otherwise a power failure could restore the old name, and the next start would remove the directory.
        directory = os.open(files.root, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


def _run(files: Files, command: list[str | Path], *, stdin: str = "", lock: Sequence[int] = ()) -> None:
    """Run a program whose output goes to the log. Raises StartError with the end of that output."""
    log_start = files.log.stat().st_size
    ended = subprocess.run(  # noqa: S603
        command,
        input=stdin.encode(),
        stdout=2,
        stderr=2,
        check=False,
        pass_fds=lock,
        preexec_fn=end_with_parent,
    )
    if ended.returncode != 0:
        name = Path(command[0]).name
        raise StartError(f"{name} failed (exit code {ended.returncode})" + _end_of_log(files, log_start))


def _end_of_log(files: Files, since: int, lines: int = 6) -> str:
    with files.log.open("rb") as log:
        log.seek(since)
        text = log.read().decode(errors="replace").strip()
    return f". The end of {files.log}:\n" + "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def _run_server(start: Start) -> "subprocess.Popen[bytes]":
    quoted = str(start.files.socket_directory).replace('"', '""')
    settings = {**_SETTINGS, **({} if start.durable else _NOT_DURABLE), "unix_socket_directories": f'"{quoted}"'}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return subprocess.Popen(  # noqa: S603
        [start.bin / "postgres", "-D", start.files.data, *options],
        stdin=subprocess.DEVNULL,
        stdout=2,
        pass_fds=[start.lock],
        preexec_fn=end_with_parent,  # noqa: PLW1509 - this process has one thread until later
    )


def _wait_until_ready(files: Files, postmaster: "subprocess.Popen[bytes]", log_start: int) -> None:
    """Wait as long as it takes: a server that recovers after a crash is not ready before it has."""
    while (lines := read_pid_file(files))[:1] != [str(postmaster.pid)] or "ready" not in map(str.strip, lines[7:]):
        if postmaster.poll() is not None:
            raise StartError(f"PostgreSQL ended with code {postmaster.returncode}" + _end_of_log(files, log_start))
        time.sleep(0.003)


def _supervise(files: Files, postmaster: "subprocess.Popen[bytes]", users: int) -> None:
    """Stop the server when the last user has gone; never return, since the process ends together with the server."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: postmaster.send_signal(signal.SIGINT))
    threading.Thread(target=_exit_with_server, args=(files, postmaster), daemon=True).start()
    # Granted when nobody shares it. From then on a new user waits until this process, and so the server, has ended.
    fcntl.flock(users, fcntl.LOCK_EX)
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        postmaster.send_signal(how)
        time.sleep(LONGEST_STOP)


def _exit_with_server(files: Files, postmaster: "subprocess.Popen[bytes]") -> None:
    postmaster.wait()
    if files.socket_directory != files.root:
        with contextlib.suppress(OSError):
            files.socket_directory.rmdir()
    os._exit(0)
