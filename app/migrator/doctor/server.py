"""Whether migrations can run on the server: version, writing, clock, encoding, connections, transaction numbers."""

import shlex
from collections.abc import Iterator

from sqlalchemy import Connection, text

from ...postgres.monitor import IDENTITY
from ..durations import format_duration
from ..partitions.clock import describe_difference, is_significant, seconds_ahead
from .finding import CheckContext, Finding, note, ok, problem, warning
from .setting_reset import find_reset

_OLDEST = 140_000
_YOUNG = 600
_VERSION = text(
    """
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
           extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS up
    """
)
_WRITABLE = text(
    """
    SELECT pg_is_in_recovery() AS replica, reset_val AS read_only, source
    FROM pg_settings WHERE name = 'default_transaction_read_only'
    """
)
_WRAPS_AT = 2_000_000_000
_FULL = 0.95
# From pg_stat_database, because pg_stat_activity shows the kinds of sessions to some roles only.
_CONNECTIONS = text(
    """
    SELECT (SELECT sum(numbackends) FROM pg_stat_database)::int AS used,
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS most
    """
)
_AGE = text("SELECT datname AS name, age(datfrozenxid) AS age FROM pg_database ORDER BY 2 DESC LIMIT 1")


def version(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    row = connection.execute(_VERSION).one()
    if row.number < _OLDEST:
        yield problem(
            f"The server is PostgreSQL {row.version}.",
            "The migrations and the application need 14 or later.",
            context.psql("SELECT version()"),
        )
    else:
        yield ok(f"PostgreSQL {row.version}, up for {format_duration(row.up)}.")
    if row.up < _YOUNG:
        yield note(
            f"The server was started {format_duration(row.up)} ago.",
            "If nobody meant it to, look into its log for a crash.",
        )


def writable(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    row = connection.execute(_WRITABLE).one()
    if row.replica:
        yield problem(
            "The server is a replica (in recovery).",
            "It cannot be written to. Name the primary, or all hosts and target_session_attrs=read-write.",
            context.psql("SELECT status, sender_host, sender_port FROM pg_stat_wal_receiver"),
        )
    elif row.read_only == "on":
        reset = find_reset(connection, "default_transaction_read_only")
        yield problem(
            f"Transactions are read-only by default (default_transaction_read_only, set by: {row.source}).",
            "Every migration and every write of the application fails. A provider sets this when the disk is full."
            + ("" if reset else " Here the URL's options or how the server was started say so: take it out there."),
            context.psql(*reset or ("SHOW default_transaction_read_only",)),
        )
    else:
        yield ok("The server can be written to.")


def clock(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    ahead = seconds_ahead(connection)
    if abs(ahead) <= context.limits.clock_skew:
        yield ok(f"The clocks agree within {context.limits.clock_skew:g} s.")
        return
    yield warning(
        f"{describe_difference(ahead)}.",
        "Times in the schema's history and in logs cannot be compared, and certificates may seem invalid."
        + (" Partitions are neither made nor dropped." if is_significant(ahead) else ""),
        "timedatectl status",
    )


def encoding(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    name = connection.scalar(text("SELECT current_setting('server_encoding')"))
    if name == "UTF8":
        yield ok("The database's encoding is UTF8.")
        return
    yield warning(
        f"The database's encoding is {name}.",
        "Not every text that a request may hold can be stored. It cannot be changed: dump, create anew, restore.",
        f"createdb --template=template0 --encoding=UTF8 {shlex.quote(f'{context.url.database}_utf8')}",
    )


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


def identity(connection: Connection) -> str:
    """Return a text that two connections share exactly if they lead to one database."""
    return str(connection.scalar(IDENTITY))
