"""PgBouncer, of the Debian package, before a server that is reached over its socket."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.processes import free_port
from tests.support.waiting import PATIENCE

_CONFIG = """
[databases]
* = host={socket} port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 100
"""


@contextmanager
def pooling(binary: str, folder: Path, socket: Path, server_port: int, mode: str, size: int = 5) -> Iterator[int]:
    """The port of one that has so many sessions a database. Anybody may read the folder, and go through the socket."""
    port = free_port()
    config = folder / f"{mode}.ini"
    config.write_text(_CONFIG.format(socket=socket, server_port=server_port, port=port, mode=mode, size=size))
    # As PostgreSQL, it does not run as root.
    command = [binary, "--quiet", *(["--user", "nobody"] if os.geteuid() == 0 else []), str(config)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(port):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline, "PgBouncer does not reach the server"
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _answers(port: int) -> bool:
    try:
        psycopg.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def through(port: int, direct: str, scheme: str = "postgresql", parameters: str = "") -> str:
    """The URL of the same database by way of it."""
    name = direct.split("/")[3].partition("?")[0]
    return f"{scheme}://postgres@127.0.0.1:{port}/{name}{parameters}"
