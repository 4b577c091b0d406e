"""What surrounds the statements of a migration: their time limits, their rows, and indexes that were half built."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, event, text

from app.core.config import Settings

log = structlog.stdlib.get_logger(__name__)

_SET = text(
    "SELECT " + ", ".join(f"set_config('{name}', :{name}, false)" for name in ("lock_timeout", "statement_timeout"))
)
_SET_ONCE = text(
    """
    SELECT set_config('idle_in_transaction_session_timeout', :idle, false),
           set_config('client_connection_check_interval', '5s', false)
    """
)
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
_VALIDATE = re.compile(r"^\s*ALTER\s+TABLE\b[^;]*\bVALIDATE\s+CONSTRAINT\b", re.IGNORECASE)
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_CREATE_INDEX = re.compile(
    rf"^\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?P<keep>IF\s+NOT\s+EXISTS\s+)?(?P<name>{_NAME})\s+ON\s+"
    rf"(?:ONLY\s+)?(?:(?P<schema>{_NAME})\s*\.\s*)?",
    re.IGNORECASE,
)
_IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
_COUNTED = ("INSERT", "UPDATE", "DELETE", "MERGE")


class Statements:
    """Listens to a connection for the length of one step; `rows` is how many it inserted, updated and deleted."""

    def __init__(self, settings: Settings, *, begun_before: bool) -> None:
        self.rows = 0
        self._usual = _limits(settings.db_migrate_lock_timeout, settings.db_migrate_statement_timeout)
        self._unhurried = _limits(settings.db_migrate_lock_timeout, 0)
        self._unlimited = _limits(0, 0)
        self._begun_before = begun_before
        self._lifted = False

    @contextmanager
    def watching(self, connection: Connection) -> Iterator[None]:
        event.listen(connection, "before_cursor_execute", self._before)
        event.listen(connection, "after_cursor_execute", self._after)
        try:
            yield
        finally:
            event.remove(connection, "before_cursor_execute", self._before)
            event.remove(connection, "after_cursor_execute", self._after)

    def limit(self, connection: Connection) -> None:
        """Sets the limits of the session, in the step's transaction."""
        # A process that hangs in the middle of a revision, or whose host is gone, must not keep its locks.
        connection.execute(_SET_ONCE, {"idle": self._usual["statement_timeout"]})
        connection.execute(_SET, self._usual)

    def _before(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401, ARG002
        if _CONCURRENTLY.search(statement):
            self._make_way(connection, statement)
            # It stops no reads or writes while it waits or works, and may well wait for the transactions of others.
            self._lift(connection, self._unlimited)
        elif _VALIDATE.search(statement):
            # Nor does this, once it has its lock.
            self._lift(connection, self._unhurried)

    def _after(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401
        if self._lifted:
            self._lifted = False
            connection.execute(_SET, self._usual)
        if statement.lstrip()[:6].upper().startswith(_COUNTED):
            self.rows += max(cursor.rowcount, 0)

    def _lift(self, connection: Connection, limits: dict[str, str]) -> None:
        connection.execute(_SET, limits)
        self._lifted = True

    def _make_way(self, connection: Connection, statement: str) -> None:
        """Drops what a build of this index that failed or was killed has left, so that it can be built again.

        That is an invalid index, or a valid one where this revision was begun before and died after the build.
        """
        index = _CREATE_INDEX.match(statement)
        if index is None:
            return
        name = ".".join(filter(None, [index["schema"], index["name"]]))
        valid = connection.scalar(_IS_VALID, {"name": name})
        if valid is None or (valid and (index["keep"] or not self._begun_before)):
            return
        log.warning("an index that was half built is dropped and built again", index=name)
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")


def limits_as_sql(settings: Settings) -> list[str]:
    """The session's limits, for a script that somebody else runs; long work is theirs to watch."""
    limits = _limits(settings.db_migrate_lock_timeout, 0)
    return [f"SET {name} = '{value}'" for name, value in limits.items()]


def _limits(lock_timeout: float, statement_timeout: float) -> dict[str, str]:
    """In PostgreSQL's words; 0 is no limit."""
    limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
    return {name: f"{round(seconds * 1000)}ms" for name, seconds in limits.items()}
