"""A migration that is killed at any point: the next start finishes it by itself, and nothing is lost or left over."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from app.db.migrations import config
from app.db.migrations.lock import LOCK_KEY
from app.db.migrations.runner import upgrade
from tests.conftest import database_named, settings_for
from tests.migrations.conftest import Release, holding, query
from tests.migrations.stopping import (
    CLOSED,
    COMMANDS,
    finish,
    lock_holders,
    remove_barrier,
    running,
    sessions,
    stop_in_ddl,
    stop_in_update,
    until,
)
from tests.processes import copied_checkout, environment

INDEX, COLUMN = "1ndex", "c0lumn"
EMPTY = "an empty database"
WRITING = "LOCK TABLE tags IN ROW EXCLUSIVE MODE"
READING = "LOCK TABLE tags IN ACCESS SHARE MODE"


@dataclass(frozen=True)
class Boundary:
    """Where a process stands still: because of a lock that the test holds, and where needed of a barrier made before.

    `story` is what `schema_history` then says of the two revisions, after the next start.
    """

    name: str
    hold: str
    story: tuple[tuple[str, str], ...] = ((INDEX, "done"), (COLUMN, "done"))
    prepare: Callable[[str], None] = lambda url: None
    database: str = "at the previous release's head"
    lock_timeout: str = "60"


def _update(table: str, when: str, *, at_commit: bool = False) -> Callable[[str], None]:
    return lambda url: stop_in_update(url, table, when, at_commit=at_commit)


def _ddl(tag: str, of: str) -> Callable[[str], None]:
    return lambda url: stop_in_ddl(url, tag, of=f"public.{of}")


IN_THE_INDEX = ((INDEX, "interrupted"), (INDEX, "done"), (COLUMN, "done"))
IN_THE_COLUMN = ((INDEX, "done"), (COLUMN, "interrupted"), (COLUMN, "done"))
BOUNDARIES = (
    Boundary("waiting for the migration lock", f"SELECT pg_advisory_xact_lock({LOCK_KEY})"),
    Boundary("under the lock, before anything", "LOCK TABLE schema_history IN SHARE MODE"),
    Boundary("under the lock, making schema_history", CLOSED, (), _ddl("CREATE TABLE", "schema_history"), EMPTY),
    Boundary("in the DDL of the first revision", CLOSED, (), _ddl("CREATE TABLE", "tasks"), EMPTY),
    Boundary("building the index, waiting for writers", WRITING, IN_THE_INDEX),
    Boundary("building the index, waiting for an old transaction", "SELECT FROM tags", IN_THE_INDEX),
    Boundary(
        "after the index, before the version row",
        CLOSED,
        IN_THE_INDEX,
        _update("alembic_version", f"NEW.version_num = '{INDEX}'"),
    ),
    Boundary("waiting for the table", READING, IN_THE_COLUMN),
    Boundary("waiting to try again", READING, IN_THE_COLUMN, lock_timeout="0.05"),
    Boundary("in the DDL", CLOSED, IN_THE_COLUMN, _ddl("ALTER TABLE", "tags")),
    Boundary(
        "after the DDL, before the version row",
        CLOSED,
        IN_THE_COLUMN,
        _update("alembic_version", f"NEW.version_num = '{COLUMN}'"),
    ),
    Boundary(
        "after the version row, before COMMIT",
        CLOSED,
        IN_THE_COLUMN,
        _update("schema_history", f"NEW.revision = '{COLUMN}' AND NEW.outcome = 'done'"),
    ),
    # The server has been told, and does it although nobody hears of it.
    Boundary(
        "in COMMIT", CLOSED, prepare=_update("alembic_version", f"NEW.version_num = '{COLUMN}'", at_commit=True)
    ),
)
