"""What takes the server's disk, and how much of it is free: tables, WAL, replication slots."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal
from sqlalchemy import Connection, text

from .finding import CheckContext, Finding, note, ok, warning
from .schema import USER_SCHEMAS

_DATABASE_SIZE = text("SELECT pg_database_size(current_database())")
_TABLE_SIZES = text(
    f"""
    SELECT relname AS name, pg_total_relation_size(pg_class.oid) AS bytes
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'm') AND {USER_SCHEMAS}
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


def _is_local(context: CheckContext) -> bool:
    return bool(context.url.hosts) and all(
        host.is_socket or host.name in {"localhost", "127.0.0.1", "::1"} for host in context.url.hosts
    )
