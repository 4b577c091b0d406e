"""Set and reset what limits the session of a migration: its statements, its waits for locks, and its silence."""

from sqlalchemy import Connection, text

from ...postgres.tcp_keepalive import COUNT, IDLE, INTERVAL
from ..config import MigratorConfig

_SET_LIMITS = text(
    "SELECT " + ", ".join(f"set_config('{name}', :{name}, false)" for name in ("lock_timeout", "statement_timeout"))
)
_LIMIT_SILENCE = text(
    """
    SELECT set_config('idle_in_transaction_session_timeout', :idle_in_transaction, false),
           set_config('idle_session_timeout', :idle, false),
           set_config('client_connection_check_interval', '5s', false),
           set_config('tcp_keepalives_idle', :probed_after, false),
           set_config('tcp_keepalives_interval', :probed_each, false),
           set_config('tcp_keepalives_count', :probes, false)
    """
)
_SHORTEST_SILENCE = 1.0


def reset_session(connection: Connection, config: MigratorConfig) -> None:
    """Undo what an earlier revision has SET in the session; keep the session's locks and limits. This commits."""
    with connection.begin():
        reset_settings(connection, config)


def reset_settings(connection: Connection, config: MigratorConfig) -> None:
    """Undo what an earlier revision has SET, or SET LOCAL in the same transaction; keep the session's limits."""
    connection.exec_driver_sql("SET SESSION AUTHORIZATION DEFAULT")
    connection.exec_driver_sql("RESET ALL")
    _limit_silence_and_statements(connection, config)


def limit_session(connection: Connection, config: MigratorConfig, pause: float = 0) -> None:
    """Have the server end the session where the process is silent for as long as a statement may take.

    So a process that hangs, is frozen or whose host is gone keeps neither a table nor the migration lock. `pause` is
    the number of seconds for which the process is about to be silent on purpose. The statements get a revision's
    limits. This commits.
    """
    with connection.begin():
        _limit_silence_and_statements(connection, config, pause)


def _limit_silence_and_statements(connection: Connection, config: MigratorConfig, pause: float = 0) -> None:
    limits = {"idle_in_transaction": longest_silence(config), "idle": longest_silence(config) + pause}
    probes = {"probed_after": str(IDLE), "probed_each": str(INTERVAL), "probes": str(COUNT)}
    connection.execute(_LIMIT_SILENCE, probes | {name: milliseconds(value) for name, value in limits.items()})
    limit_statements(connection, config)


def longest_silence(config: MigratorConfig) -> float:
    """Return for how many seconds a migrating process may be silent."""
    # A process on a busy machine may be silent for a moment without hanging.
    return max(config.statement_timeout, _SHORTEST_SILENCE)


def limit_statements(connection: Connection, config: MigratorConfig, lock_wait: float | None = None) -> None:
    """Limit how long a statement may wait for a lock (`lock_wait` or the lock timeout) and how long it may take."""
    longest = config.lock_timeout if lock_wait is None else lock_wait
    set_limits(connection, longest, config.statement_timeout)


def set_limits(connection: Connection, lock_timeout: float, statement_timeout: float) -> None:
    """Set the limits, given in seconds; 0 is no limit."""
    connection.execute(_SET_LIMITS, _limits(lock_timeout, statement_timeout))


def limits_as_sql(config: MigratorConfig) -> list[str]:
    """Return the session's limits as statements of a script that somebody else runs; long work is theirs to watch."""
    limits = _limits(config.lock_timeout, 0)
    return [f"SET {name} = '{value}'" for name, value in limits.items()]


def _limits(lock_timeout: float, statement_timeout: float) -> dict[str, str]:
    """Return the limits, given in seconds, as PostgreSQL writes them; 0 is no limit."""
    limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
    return {name: milliseconds(seconds) for name, seconds in limits.items()}


def milliseconds(seconds: float) -> str:
    """Return the seconds as PostgreSQL's settings take them."""
    return f"{round(seconds * 1000)}ms"
