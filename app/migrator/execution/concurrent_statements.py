"""Have statements that run CONCURRENTLY be repeated after one that failed or was killed: no rollback undoes these.

What each leaves, and what is done about it when its revision is tried again:

- CREATE INDEX: an invalid index, which is dropped.
- DROP INDEX: an invalid index, or none: it is dropped if it is there.
- REINDEX: invalid indexes named …_ccnew or …_ccold beside the old ones, which are dropped.
- DETACH PARTITION: a partition that is pending detach, which is finished; or none any more.
- REFRESH MATERIALIZED VIEW is a transaction, and leaves nothing.
"""

import re
from functools import partial

import structlog
from sqlalchemy import Connection, text

from ...postgres.errors import MigrationFailedError
from ..revisions.history_recording import record_begun
from .partitioned_tables import PartitionedIndex, is_partitioned
from .statement_patterns import END, NAME, QUALIFIED, pattern

log = structlog.stdlib.get_logger(__name__)

# These match neither a comment with the word nor a statement that also does something else.
_REINDEX_START = r"REINDEX\s*(?:\([^)]*\)\s*)?(?P<what>\w+) CONCURRENTLY"
_REINDEX_OPTION = r"REINDEX\s*\([^)]*\bCONCURRENTLY\b[^)]*\)\s*(?P<what>\w+)"
_DETACH_START = (
    rf"ALTER TABLE (?:IF EXISTS )?(?P<table>{QUALIFIED}) DETACH PARTITION (?P<part>{QUALIFIED}) CONCURRENTLY"
)
_REINDEXES = [pattern(rf"{start} (?P<name>{QUALIFIED}){END}") for start in (_REINDEX_START, _REINDEX_OPTION)]
_DETACH = pattern(_DETACH_START + END)
_CONCURRENTLY = [
    pattern(rf"{start}\b")
    for start in (
        r"(?:(?:CREATE (?:UNIQUE )?|DROP )INDEX|REFRESH MATERIALIZED VIEW) CONCURRENTLY",
        _REINDEX_START,
        _REINDEX_OPTION,
        _DETACH_START,
    )
]
_CREATE_INDEX = pattern(
    rf"CREATE (?P<unique>UNIQUE )?INDEX CONCURRENTLY (?P<keep>IF NOT EXISTS )?(?P<name>{NAME}) ON "
    rf"(?P<only>ONLY )?(?P<table>(?:(?P<schema>{NAME})\s*\.\s*)?{NAME})"
)
_UNNAMED_INDEX = pattern(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY ON\b")
_DROP_INDEX = pattern(
    rf"DROP INDEX CONCURRENTLY (?P<maybe>IF EXISTS )?(?P<name>{QUALIFIED})(?: CASCADE| RESTRICT)?{END}"
)
_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")
_IS_VALID = text(
    "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name) AND indrelid = to_regclass(:table)"
)
_LEFT_BY_REINDEX = text(
    r"""
    SELECT format('%I.%I', nspname, relname) FROM pg_index AS broken
    JOIN pg_class ON pg_class.oid = broken.indexrelid AND relkind = 'i' AND relname ~ '_cc(new|old)\d*$'
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE NOT broken.indisvalid AND broken.indrelid IN (
        SELECT coalesce(named.indrelid, part.relid)
        FROM pg_partition_tree(to_regclass(:name)) AS part LEFT JOIN pg_index AS named ON named.indexrelid = part.relid
        UNION ALL
        SELECT coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass(:name)), to_regclass(:name))
    )
    """
)
_IS_PENDING_DETACH = text(
    "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass(:part) AND inhparent = to_regclass(:table)"
)
_NOTHING = "SELECT"


class ConcurrentStatements:
    """The statements CONCURRENTLY of one step, whose record in the history is `entry`.

    `begun` has what earlier runs of the step have begun to build, drop or detach. `is_recording` is whether a statement
    is the record's, and not the revision's.
    """

    def __init__(self, entry: int, begun: set[str]) -> None:
        self._entry = entry
        self._begun = begun
        self.is_recording = False

    def make_repeatable(self, connection: Connection, statement: str) -> str:
        """Return the statement in a form that works even if an earlier run of the step stopped behind it."""
        if index := _CREATE_INDEX.match(statement):
            if not index["only"] and is_partitioned(connection, index["table"]):
                return self._build_on_partitions(connection, index)
            self._drop_half_built(connection, _full_name(index), index["table"], keep=bool(index["keep"]))
        elif _UNNAMED_INDEX.match(statement):
            raise MigrationFailedError(
                "it builds an index CONCURRENTLY without a name: a build that failed could not be found again. Name it."
            )
        elif index := _DROP_INDEX.match(statement):
            if index["name"] in self._begun:
                return f"DROP INDEX CONCURRENTLY IF EXISTS {index['name']}"
            if not index["maybe"] or connection.scalar(_EXISTS, {"name": index["name"]}):
                self._record(connection, index["name"], is_removed=True)
        elif detached := _DETACH.match(statement):
            return self._continue_detach(connection, detached)
        elif named := next(filter(None, (reindex.match(statement) for reindex in _REINDEXES)), None):
            _drop_what_reindexing_left(connection, named)
        return statement

    def _drop_half_built(self, connection: Connection, name: str, table: str, *, keep: bool) -> None:
        """Drop what a failed or killed build of this index has left, so that it can be built again.

        That is an invalid index, or a valid one where this revision began it and died before that was recorded. It is
        never an index of another table.
        """
        valid = connection.scalar(_IS_VALID, {"name": name, "table": table})
        if valid and (keep or name not in self._begun):
            return
        if valid is not None:
            log.warning("an index that was half built is dropped and built again", index=name)
            connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")
        self._record(connection, name, is_removed=False)

    def _build_on_partitions(self, connection: Connection, index: re.Match[str]) -> str:
        """Build the index of a partitioned table. Returns the statement that is left to be run."""
        found = _partitioned(index)
        name = found.name
        is_valid = connection.scalar(_IS_VALID, {"name": name, "table": index["table"]})
        if is_valid and not index["keep"] and name not in self._begun:
            # The server says that there is one of this name.
            return found.create
        if not is_valid:
            found.build(connection, partial(self._run_own, connection), partial(self._record, connection))
        return _NOTHING

    def _run_own(self, connection: Connection, statement: str) -> None:
        """Run a statement that the revision does not have, in the limits of one that takes a moment."""
        self.is_recording = True
        connection.exec_driver_sql(statement)
        self.is_recording = False

    def _continue_detach(self, connection: Connection, detached: re.Match[str]) -> str:
        table, part = detached["table"], detached["part"]
        is_pending = connection.scalar(_IS_PENDING_DETACH, {"table": table, "part": part})
        if is_pending:
            log.warning("a partition that was half detached is detached", partition=part)
            return f"ALTER TABLE {table} DETACH PARTITION {part} FINALIZE"
        if is_pending is None and part in self._begun:
            return _NOTHING
        self._record(connection, part, is_removed=True)
        return detached.string

    def _record(self, connection: Connection, name: str, *, is_removed: bool = False) -> None:
        # This commits at once, since the step runs without a transaction here.
        if name not in self._begun:
            self.is_recording = True
            record_begun(connection, self._entry, name, is_removed=is_removed)
            self.is_recording = False
            self._begun.add(name)


def is_concurrent(statement: str) -> bool:
    """Return whether the statement waits for others without blocking them, and so may take as long as it needs."""
    return any(start.search(statement) for start in _CONCURRENTLY)


def index_on_table(statement: str) -> PartitionedIndex | None:
    """Return the index that the statement builds CONCURRENTLY on a table, which may be partitioned, and not ONLY it."""
    index = _CREATE_INDEX.match(statement)
    return _partitioned(index) if index and not index["only"] else None


def index_built_concurrently(statement: str) -> str | None:
    """Return the name of the index that the statement builds CONCURRENTLY, as SQL writes it."""
    index = _CREATE_INDEX.match(statement)
    return _full_name(index) if index else None


def _partitioned(index: re.Match[str]) -> PartitionedIndex:
    behind = index.string[index.end() :].rstrip().rstrip(";")
    return PartitionedIndex(_full_name(index), index["table"], index["unique"] or "", behind)


def _drop_what_reindexing_left(connection: Connection, named: re.Match[str]) -> None:
    if named["what"].upper() not in {"INDEX", "TABLE"}:
        return
    for index in connection.scalars(_LEFT_BY_REINDEX, {"name": named["name"]}).all():
        log.warning("an index that was half built again is dropped", index=index)
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


def _full_name(index: re.Match[str]) -> str:
    return ".".join(filter(None, [index["schema"], index["name"]]))
