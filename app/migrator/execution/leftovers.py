"""Mend the indexes that failed steps have left half built or half dropped, once somebody goes the other way.

Whoever goes on in the same direction tries the step again, which finds them itself (concurrent_statements.py).
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...postgres.connect import is_lost
from ...postgres.errors import error_summary
from ..config import MigratorConfig
from ..revisions.history import DROPPED, Entry, last_completed, read_history
from .session_limits import reset_session, set_limits

_INVALID = text(
    """
    SELECT name, relkind = 'I' AS is_partitioned FROM unnest(CAST(:names AS text[])) AS name
    JOIN pg_index ON indexrelid = to_regclass(name) AND NOT indisvalid
    JOIN pg_class ON pg_class.oid = indexrelid ORDER BY name
    """
)

log = structlog.stdlib.get_logger(__name__)


def has_leftovers(connection: Connection, given_up: str | None) -> bool:
    """Return whether failed steps of the direction `given_up` have left an index that is not valid."""
    return bool(_leftovers(connection, given_up))


def mend_leftovers(connection: Connection, config: MigratorConfig, given_up: str | None) -> None:
    """Drop the invalid indexes that failed steps of this direction began to build; build those anew that they dropped.

    What cannot be mended is logged as a warning. The connection holds the lock, and is in no transaction.
    """
    for verb, index in _leftovers(connection, given_up):
        log.warning("an index that a failed step has left is mended", index=index, by=verb)
        try:
            with _autocommit(connection):
                if verb.endswith("CONCURRENTLY"):
                    # It blocks neither reads nor writes, and may have to wait long for other transactions.
                    set_limits(connection, 0, 0)
                connection.exec_driver_sql(f"{verb} {index}")
        except DBAPIError as exc:
            if is_lost(exc):
                raise
            log.warning("an index could not be mended", index=index, reason=error_summary(exc))
        reset_session(connection, config)


def _leftovers(connection: Connection, given_up: str | None) -> list[tuple[str, str]]:
    """Return the beginning of the statement that mends what the failed steps have left, and the index."""
    if given_up is None:
        return []
    built, dropped = _begun_in_vain(read_history(connection), given_up)
    # That of a partitioned table is dropped with those of its partitions, and not CONCURRENTLY.
    found = [
        ("DROP INDEX" if is_partitioned else "DROP INDEX CONCURRENTLY", name)
        for name, is_partitioned in _invalid(connection, built)
    ]
    found += [("REINDEX INDEX CONCURRENTLY", name) for name, _ in _invalid(connection, dropped)]
    connection.rollback()
    return found


def _begun_in_vain(entries: Sequence[Entry], direction: str) -> tuple[set[str], set[str]]:
    """Return the indexes that steps of this direction, which were not completed, began to build, and to drop."""
    done = last_completed(entries)
    begun: set[str] = set()
    for entry in entries:
        if entry.direction == direction and (entry.revision not in done or entry.id > done[entry.revision].id):
            begun.update(entry.indexes)
    dropped = {name.removeprefix(DROPPED) for name in begun if name.startswith(DROPPED)}
    return {name for name in begun if not name.startswith(DROPPED)} - dropped, dropped


def _invalid(connection: Connection, names: Collection[str]) -> list[tuple[str, bool]]:
    """Return those of the indexes that are not valid, each with whether it is of a partitioned table."""
    rows = connection.execute(_INVALID, {"names": sorted(names)}).all() if names else ()
    return [(row.name, row.is_partitioned) for row in rows]


@contextmanager
def _autocommit(connection: Connection) -> Iterator[None]:
    before = connection.get_isolation_level()
    connection.rollback()
    connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        yield
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=before)
