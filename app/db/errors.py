"""What goes wrong with a database as a whole: each ends the process with an exit code of its own."""

from collections.abc import Iterator

import asyncpg

# What asyncpg raises of its own. The last comes between the server's last word and the end of the connection.
OF_ASYNCPG = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class DatabaseError(Exception):
    """Its text is one readable message without password or SQL; the process ends with `exit_code`."""

    exit_code: int = 1


class MigrationFailedError(DatabaseError):
    """A revision could not be applied; the message names the revision, its file and the cause."""

    exit_code = 3


class DatabaseUnreachableError(DatabaseError):
    """The database cannot be reached or does not let us in; the message names host, port and database."""

    exit_code = 4


class BackupError(DatabaseError):
    """A backup could not be taken, or could not be restored; what there was before is unchanged."""

    exit_code = 5


def cause_of(exc: BaseException) -> str:
    """The first line of what went wrong: the driver's words, without the statement and the details below them.

    Data exceptions (SQLSTATE class 22) quote a row's value, which is left out.
    """
    original = getattr(exc, "orig", None)
    if isinstance(original, BaseException):
        exc = original.__cause__ or original
    lines = str(exc).strip().splitlines()
    if not lines:
        return type(exc).__name__
    words, quoted, _ = lines[0].partition('"')
    return f'{words}"…"' if quoted and (sqlstate_of(exc) or "").startswith("22") else lines[0]


def lost_connection(exc: BaseException | None) -> bool:
    """Whether the error, or one that it was raised from, is that the connection has ended."""
    return any(getattr(error, "connection_invalidated", False) for error in _chain(exc))


def sqlstate_of(exc: BaseException | None) -> str | None:
    """The SQLSTATE of the error itself, or of what it was raised from, whichever driver and wrapping it has."""
    for error in _chain(exc):
        state: str | None = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
        if state:
            return state
    return None


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        original = getattr(exc, "orig", None)
        exc = (original if isinstance(original, BaseException) else None) or exc.__cause__ or exc.__context__
