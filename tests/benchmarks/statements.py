"""The statements that the service sends for a request, as its database server has logged them."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import psycopg

from tests.benchmarks.load import Request
from tests.benchmarks.servers import Server
from tests.conftest import TOKEN

# Enough for every connection of the pool to know the statements and their types.
_WARM_UP = 12
_ENTRY = re.compile(r"^\S+ \S+ \S+ \[\d+\] (\w+):  ", re.MULTILINE)
_EXECUTED = re.compile(r"execute [^:]+: (.*)", re.DOTALL)
_PARAMETER = re.compile(r"\$\d+ = (NULL|'(?:[^']|'')*')")
_END = "the end of what is captured"


class Statement(msgspec.Struct):
    """With its parameters as text."""

    sql: str
    values: list[str | None]


def sent_for(server: Server, requests: Sequence[Request], database: str, log: Path) -> list[Statement]:
    """For the first request, after the warm-up of the server with all of them in turn.

    Without those that begin and end transactions, or notify.
    """
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}) as client:
        for request in [*requests] * _WARM_UP:
            _send(client, server, request)
        with _logging_all(database) as connection:
            begin = log.stat().st_size
            _send(client, server, requests[0])
            # What the service says after its answer comes within this time.
            time.sleep(0.2)
            connection.execute(f"SELECT '{_END}'")
            return list(_statements(_written(log, begin)))


def _send(client: httpx.Client, server: Server, request: Request) -> None:
    client.request(request.method, server.url + request.path, content=request.body or None).raise_for_status()


@contextmanager
def _logging_all(database: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """The server's sessions of this database, those that are open included, log what they execute."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        # A session reads the configuration anew before its next statement, once the server has been told.
        while connection.execute("SHOW log_statement").fetchone() != ("all",):
            time.sleep(0.01)
        time.sleep(0.2)
        try:
            yield connection
        finally:
            connection.execute("ALTER SYSTEM RESET log_statement")
            connection.execute("SELECT pg_reload_conf()")


def _written(log: Path, begin: int) -> str:
    while _END not in (text := log.read_bytes()[begin:].decode()):
        time.sleep(0.01)
    return text


def _statements(text: str) -> Iterator[Statement]:
    _, *parts = _ENTRY.split(text)
    entries = list(zip(parts[::2], parts[1::2], strict=True))
    for number, (severity, words) in enumerate(entries):
        found = _EXECUTED.match(words)
        if severity != "LOG" or found is None or "pg_notify" in words:
            continue
        following = entries[number + 1] if number + 1 < len(entries) else ("", "")
        values = _values(following[1]) if following[0] == "DETAIL" else []
        yield Statement(found[1].strip(), values)


def _values(words: str) -> list[str | None]:
    return [None if value == "NULL" else value[1:-1].replace("''", "'") for value in _PARAMETER.findall(words)]
