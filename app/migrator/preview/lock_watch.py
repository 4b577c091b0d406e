"""Note from when on the statements of a session lock its tables, by what is known of each statement."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

from ..sql.effect import Kind
from ..sql.lock_modes import LockMode
from ..sql.reader import read_statement
from ..sql.relations import Relations
from ..sql.relations_after import relations_after
from ..sql.statement_locks import locks_of
from ..sql.tokens import Statement, UnreadableSqlError, statements_of
from ..units import Seconds

_MAKES = frozenset({Kind.CREATE_TABLE, Kind.CREATE_OTHER})


@dataclass(frozen=True)
class HeldLock:
    """A lock on a table, and for how many seconds it was waited for and held; `stops` is what waits meanwhile."""

    table: str
    lock: LockMode
    stops: str | None
    seconds: Seconds


class LockWatch:
    """Watches revisions one after the other, in a schema that begins as `relations`."""

    def __init__(self, relations: Relations) -> None:
        self._relations = relations
        self._before = relations
        self._made: set[str] = set()
        self._since: dict[str, float] = {}
        self._modes: dict[str, LockMode] = {}
        # When each statement under way began: others are sent while one is prepared.
        self._starts: dict[int, float] = {}

    def begin(self) -> None:
        """Begin a revision: what it makes itself, nobody else waits for."""
        self._before = self._relations
        self._made, self._since, self._modes = set(), {}, {}

    def forget(self) -> None:
        """Take back what the revision has changed."""
        self._relations = self._before

    def held(self) -> Iterator[HeldLock]:
        """Yield the locks of the revision, which ends now."""
        now = time.monotonic()
        for table, mode in self._modes.items():
            yield HeldLock(table, mode, mode.stops, round(now - self._since[table], 3))

    @contextmanager
    def listening_to(self, connection: Connection) -> Iterator[None]:
        event.listen(connection, "before_cursor_execute", self._start)
        event.listen(connection, "after_cursor_execute", self._note)
        try:
            yield
        finally:
            event.remove(connection, "after_cursor_execute", self._note)
            event.remove(connection, "before_cursor_execute", self._start)

    def _start(self, connection: Connection, cursor: Any, *_: Any) -> None:  # noqa: ANN401, ARG002 - SQLAlchemy's
        self._starts[id(cursor)] = time.monotonic()

    def _note(self, connection: Connection, cursor: Any, text: str, *_: Any) -> None:  # noqa: ANN401, ARG002
        since = self._starts.pop(id(cursor))
        try:
            statements = list(statements_of(text))
        except UnreadableSqlError:
            return
        for statement in statements:
            self._note_statement(statement, since)

    def _note_statement(self, statement: Statement, since: float) -> None:
        for lock in locks_of(statement, self._relations):
            if lock.table in self._made or self._relations.is_missing(lock.table):
                continue
            # Traffic waits from the moment on in which the statement begins to wait itself.
            self._since.setdefault(lock.table, since)
            before = self._modes.get(lock.table, lock.mode)
            self._modes[lock.table] = max(before, lock.mode, key=lambda mode: mode.strength)
        effects = list(read_statement(statement))
        self._made |= {effect.table for effect in effects if effect.kind in _MAKES}
        self._relations = relations_after(self._relations, statement, effects)
