"""Storage and its limits: broken indexes and constraints, connections, disk, WAL, transaction numbers."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal
from sqlalchemy import Connection, text

from ..command_names import command, upgrade_command
from ..partitions.months import add_months
from ..partitions.state import PartitionState, read_partitions
from ..revisions.schema_state import read_state
from ..sql.quoting import quote
from .finding import CheckContext, Finding, note, ok, problem, warning

# What REINDEX CONCURRENTLY leaves behind when it fails.
_LEFTOVER = re.compile(r"_cc(new|old)\d*$")
_WRAPS_AT = 2_000_000_000
_FULL = 0.95
_USER_SCHEMAS = "nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_%'"
_INVALID = text(
    f"""
    SELECT nspname AS schema, index.relname AS name, owner.relname AS table_name,
           EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = index.oid) AS building
    FROM pg_index
    JOIN pg_class AS index ON index.oid = indexrelid
    JOIN pg_class AS owner ON owner.oid = indrelid
    JOIN pg_namespace ON pg_namespace.oid = index.relnamespace
    WHERE NOT indisvalid AND index.relkind = 'i' AND {_USER_SCHEMAS} ORDER BY 1, 2
    """  # noqa: S608 - a constant
)
_NOT_VALID = text(
    f"""
    SELECT nspname AS schema, conname AS name, relname AS table_name
    FROM pg_constraint
    JOIN pg_class ON pg_class.oid = conrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE NOT convalidated AND {_USER_SCHEMAS} ORDER BY 1, 3, 2
    """  # noqa: S608 - a constant
)
# From pg_stat_database, because pg_stat_activity shows the kinds of sessions to some roles only.
_CONNECTIONS = text(
    """
    SELECT (SELECT sum(numbackends) FROM pg_stat_database)::int AS used,
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS most
    """
)
_DATABASE_SIZE = text("SELECT pg_database_size(current_database())")
_TABLE_SIZES = text(
    f"""
    SELECT relname AS name, pg_total_relation_size(pg_class.oid) AS bytes
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'm') AND {_USER_SCHEMAS}
      -- The size of a locked table cannot be read before the lock is released.
      AND NOT EXISTS (SELECT FROM pg_locks WHERE relation = pg_class.oid AND mode = 'AccessExclusiveLock')
    ORDER BY 2 DESC LIMIT 3
    """  # noqa: S608 - a constant
)
_WAL = text("SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM pg_ls_waldir()")
_SLOTS = text(
    """
    SELECT slot_name AS name, active, wal_status AS status,
           pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
                           restart_lsn)::bigint AS bytes
    FROM pg_replication_slots ORDER BY 4 DESC NULLS LAST
    """
)
_AGE = text("SELECT datname AS name, age(datfrozenxid) AS age FROM pg_database ORDER BY 2 DESC LIMIT 1")


def indexes(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    rows = connection.execute(_INVALID).all()
    if not rows:
        yield ok("Every index is valid.")
        return
    behind = (
        context.directory is not None and read_state(connection, context.directory, context.config.metadata).is_behind
    )
    declared = {index.name for table in context.config.metadata.tables.values() for index in table.indexes}
    for row in rows:
        name = f"{quote(row.schema)}.{quote(row.name)}"
        if row.building:
            yield note(f"The index {name} is being built.", "It is invalid until that is done.")
            continue
        mend = f"DROP INDEX CONCURRENTLY {name}"
        if row.name in declared and not behind and not _LEFTOVER.search(row.name):
            mend = f"REINDEX INDEX CONCURRENTLY {name}"
        yield warning(
            f"The index {name} on {row.table_name} is invalid: a CREATE INDEX CONCURRENTLY has failed or was killed.",
            "No query uses it, but every write keeps it up to date. An upgrade mends those of pending revisions.",
            upgrade_command() if row.name in declared and behind else context.psql(mend),
        )


def constraints(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    rows = connection.execute(_NOT_VALID).all()
    if not rows:
        yield ok("Every constraint is validated.")
    for row in rows:
        table = f"{quote(row.schema)}.{quote(row.table_name)}"
        yield note(
            f"The constraint {row.name} on {table} is NOT VALID.",
            "It holds for new rows; old ones were never checked. Between an expand and its contract that is planned.",
            context.psql(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quote(row.name)}"),
        )


def partitions(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    tables = read_partitions(connection, context.config)
    found = [finding for state in tables for finding in _partition_findings(state)]
    names = ", ".join(state.table for state in tables)
    yield from found or [ok(f"The partitions to come are there ({names})." if tables else "No table is partitioned.")]


def _partition_findings(state: PartitionState) -> Iterator[Finding]:
    table = state.table
    if state.default is None:
        yield problem(f"{table} has no default partition.", "Rows of months without one are refused.", _partitions())
    if state.is_sealed:
        why = "It takes no rows but of the months until then, of which the last may soon be over: finish it."
        yield problem(f"Work on the default partition of {table} was broken off, or goes on.", why, _partitions())
    elif state.holds_rows:
        why = "Its rows are neither dropped with their month nor passed over by queries of other months."
        yield warning(f"The default partition of {table} holds rows.", why, _partitions())
    if any(month <= add_months(state.month, 1) for month in state.missing):
        why = "The default one takes the rows instead. Run the command daily."
        yield warning(f"{table} has no partition for this month or the next.", why, _partitions())
    if state.expired:
        why = "The config say how many months are kept."
        seen = f"{len(state.expired)} partitions of {table} are older than is kept."
        yield note(seen, why, f"{_partitions()} --drop")


def connections(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    used, most = connection.execute(_CONNECTIONS).one()
    pool = context.config.connections_per_process
    seen = f"{used} of {most} connections are in use{f'; one process of ours takes up to {pool}' if pool else ''}."
    if used < most * context.limits.used_connections:
        yield ok(seen)
        return
    tell = problem if used >= most * _FULL else warning
    yield tell(
        seen,
        "When none is left, neither requests nor migrations get in: make the pools smaller or put a pooler in between.",
        context.psql(
            "SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC"
        ),
    )


def sizes(connection: Connection, _: CheckContext) -> Iterator[Finding]:
    whole = decimal(connection.scalar(_DATABASE_SIZE) or 0)
    largest = ", ".join(f"{row.name} {decimal(row.bytes)}" for row in connection.execute(_TABLE_SIZES))
    yield ok(f"The database takes {whole}" + (f"; largest: {largest}." if largest else "."))


def disk(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    """Check the server's disk, if it is on this machine: SQL does not tell how much is free."""
    directory = Path(str(connection.scalar(text("SELECT current_setting('data_directory')"))))
    if not _is_local(context):
        yield note("How much of the server's disk is free cannot be seen from here.", "", "df -h")
        return
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        yield note(f"How much of the server's disk is free cannot be seen from here ({directory}).", "", "df -h")
        return
    seen = f"{decimal(usage.free)} of {decimal(usage.total)} are free on the disk of {directory}."
    if usage.free >= usage.total * context.limits.free_disk:
        yield ok(seen)
    else:
        yield warning(
            seen, "An index, a rewritten table or a backfill may fill it: then the server stops.", f"df -h {directory}"
        )


def wal(connection: Connection, _: CheckContext) -> Iterator[Finding]:
    row = connection.execute(_WAL).one()
    yield ok(f"The write-ahead log takes {decimal(int(row.bytes))} in {row.files} files.")


def slots(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    rows = connection.execute(_SLOTS).all()
    most = context.limits.retained_wal
    kept = [row for row in rows if (row.bytes or 0) > most or row.status in {"unreserved", "lost"}]
    if not kept:
        yield ok(f"{len(rows)} replication slots, none of which holds back much WAL.")
    for row in kept:
        use = "in use" if row.active else "used by nobody"
        yield warning(
            f"The replication slot {row.name} ({use}, {row.status}) holds back {decimal(row.bytes or 0)} of WAL.",
            "That fills the disk, and a backfill makes it grow faster. Mend the replica; drop the slot if it has none.",
            context.psql("SELECT slot_name, active, restart_lsn, wal_status FROM pg_replication_slots"),
        )


def wraparound(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    row = connection.execute(_AGE).one()
    seen = f"The oldest transaction number in use is {row.age:,} transactions old (database {row.name})."
    if row.age <= context.limits.transaction_age:
        yield ok(seen)
        return
    tell = problem if row.age > _WRAPS_AT else warning
    yield tell(
        seen,
        "At 2.1 thousand million the server takes no more writes; vacuum is held up, often by a long transaction.",
        f"vacuumdb --freeze --dbname={row.name}",
    )


def _is_local(context: CheckContext) -> bool:
    return bool(context.url.hosts) and all(
        host.is_socket or host.name in {"localhost", "127.0.0.1", "::1"} for host in context.url.hosts
    )


def _partitions() -> str:
    return f"{command('partitions')} --apply"
