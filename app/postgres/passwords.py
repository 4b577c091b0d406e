"""Find the password of a connection by libpq's rules (PostgreSQL documentation, 34.16), and say why there is none.

asyncpg follows the same rules. But it warns about a password file on the terminal, in Python's words, and does not tell
whether it has sent a password: a server that misses one says the same as to a wrong one.
"""

import getpass
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from .url.home_directory import find_in_home

_FIELD = r"((?:\\.|[^:\\])*):"
# Host, port, database and user; the rest is the password, in which a colon needs no backslash.
_ENTRY = re.compile(rf"{_FIELD * 4}(.+)")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_DEFAULT_PORT = 5432


class PasswordLookup(NamedTuple):
    """A password and its source, or else the reason why there is none."""

    password: str = ""
    source: str = ""
    missing: str = ""


async def connect(**arguments: Any) -> asyncpg.Connection:  # noqa: ANN401 - asyncpg's
    """Connect by asyncpg. Without a password the server's error gets the reason as its `missing_password`."""
    found = PasswordLookup(arguments["password"]) if arguments.get("password") else find_password(arguments)
    try:
        # Where one is given, even an empty one, asyncpg looks for none.
        return await asyncpg.connect(**arguments | {"password": found.password})
    except asyncpg.PostgresError as exc:
        if found.missing:
            exc.missing_password = found.missing
        raise


def find_password(arguments: Mapping[str, Any]) -> PasswordLookup:
    """Return the password that PGPASSWORD or the password file has for a connection with these arguments of asyncpg."""
    if password := os.environ.get("PGPASSWORD"):
        return PasswordLookup(password, "PGPASSWORD")
    named = arguments.get("passfile") or os.environ.get("PGPASSFILE")
    path = Path(named) if named else find_in_home(".pgpass")
    if path is None:
        return PasswordLookup(missing="neither the URL nor PGPASSWORD nor a password file has one")
    shown = f"the password file {str(path)!r}"
    try:
        lines = _read_private(path)
    except OSError as exc:
        return PasswordLookup(missing=f"{shown} cannot be read ({exc.strerror})")
    except ValueError as exc:
        return PasswordLookup(missing=f"{shown} {exc}")
    password = next(_matching(lines, arguments), "")
    if not password:
        return PasswordLookup(missing=f"{shown} has no line for this host, port, database and user")
    return PasswordLookup(password, shown)


def _read_private(path: Path) -> list[str]:
    """Return the file's lines. Raises OSError, and ValueError for a file that libpq would not use either."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise ValueError("is no regular file")
    if mode & _OTHERS:
        raise ValueError(f"is not used, since its mode {stat.S_IMODE(mode):04o} lets others in: chmod 600 {path}")
    return path.read_text("utf-8", errors="replace").split("\n")


def _matching(lines: list[str], arguments: Mapping[str, Any]) -> Iterator[str]:
    user = arguments.get("user") or os.environ.get("PGUSER") or _own_name()
    database = arguments.get("database") or os.environ.get("PGDATABASE") or user
    hosts = _as_list(arguments.get("host") or os.environ.get("PGHOST") or "localhost")
    ports = _as_list(arguments.get("port") or os.environ.get("PGPORT") or _DEFAULT_PORT)
    for place in zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False):
        for line in lines:
            entry = None if line.startswith("#") else _ENTRY.fullmatch(line.rstrip("\r"))
            if entry and _entry_matches(entry.groups(), *place, database, user):
                yield _unescape(entry[5])


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # An id without a name, as containers have.
        return ""


def _as_list(value: object) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list | tuple) else str(value).split(",")


def _entry_matches(entry: tuple[str, ...], host: str, port: str, database: str, user: str) -> bool:
    hosts = {host, "localhost"} if host.startswith("/") else {host}
    wanted = (hosts, {port}, {database}, {user})
    return all(field == "*" or _unescape(field) in names for field, names in zip(entry, wanted, strict=False))


def _unescape(field: str) -> str:
    return re.sub(r"\\(.)", r"\1", field)
