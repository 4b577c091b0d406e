"""Errors about the whole database, each with the exit code of the process; and readers of the drivers' errors."""

from collections.abc import Iterator

import asyncpg

from .sqlstate import CONNECTION_DOES_NOT_EXIST

# asyncpg's own errors. The last is raised between the server's last message and the end of the connection.
ASYNCPG_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# The most characters of a server's message.
_LONGEST = 1000


class DatabaseError(Exception):
    """An error whose text is one readable message without password or SQL; the process ends with `exit_code`."""

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


def error_summary(exc: BaseException) -> str:
    """Return the first line of the driver's message, without the statement and the details below it.

    Data exceptions (SQLSTATE class 22) quote a row's value, which is left out.
    """
    original = getattr(exc, "orig", None)
    if isinstance(original, BaseException):
        exc = server_error_of(original.__cause__ or original)
    lines = str(exc).strip().splitlines()
    if not lines:
        return type(exc).__name__
    line = one_printable_line(lines[0])
    words, quoted, _ = line.partition('"')
    return f'{words}"…"' if quoted and (sqlstate_of(exc) or "").startswith("22") else line


def one_printable_line(text: str, limit: int = _LONGEST) -> str:
    """Return the text in one line of at most `limit` characters, without control characters.

    Use it for a server's messages, which anybody may have written.
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * limit])
    line = " ".join(shown.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def has_lost_connection(exc: BaseException | None) -> bool:
    """Return whether the error, or one that it was raised from, says that the connection has ended."""
    return any(getattr(error, "connection_invalidated", False) for error in _error_chain(exc))


def was_ended_while_idle(exc: BaseException | None) -> bool:
    """Return whether the server ended the session while no statement of ours was under way in it."""
    return any(getattr(error, "ended_while_idle", False) for error in _error_chain(exc))


def sqlstate_of(exc: BaseException | None) -> str | None:
    """Return the SQLSTATE of the error, or of the error that it was raised from, for any driver and wrapping.

    For a session that the server has ended it is the SQLSTATE that the server gave as the reason.
    """
    return next((state for error in _error_chain(exc) if (state := _state_of(server_error_of(error)))), None)


def server_error_of(exc: BaseException) -> BaseException:
    """Return the server's own error where the driver's only says that the connection has ended; else the error."""
    # No server has this SQLSTATE: asyncpg raises it from the server's own error.
    if _state_of(exc) != CONNECTION_DOES_NOT_EXIST:
        return exc
    cause: BaseException | None = exc
    while cause is not None and _state_of(cause) in {None, CONNECTION_DOES_NOT_EXIST}:
        cause = cause.__cause__
    return cause or exc


def _state_of(exc: BaseException) -> str | None:
    state: str | None = getattr(exc, "sqlstate", None) or getattr(getattr(exc, "orig", None), "sqlstate", None)
    return state


def _error_chain(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        yield exc
        original = getattr(exc, "orig", None)
        exc = (original if isinstance(original, BaseException) else None) or exc.__cause__ or exc.__context__
