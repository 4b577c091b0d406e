"""Recognize a database that nobody can write to: a standby, or one whose transactions are read-only by default."""

from sqlalchemy import Connection, text

from ..postgres.errors import MigrationFailedError
from .command_names import command

_STATE = text(
    """
    SELECT pg_is_in_recovery() AS is_standby, current_setting('default_transaction_read_only')::boolean AS by_default,
           current_database() AS database,
           coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'the socket') AS server
    """
)


class ReadOnlyDatabaseError(MigrationFailedError):
    """Nobody can write to the database; nothing was changed."""


def read_only_reason(connection: Connection) -> str | None:
    """Return a sentence that says why the database cannot be written to; None where it can be."""
    # Not transaction_read_only: a command that only reads may have set that itself.
    state = connection.execute(_STATE).one()
    if state.is_standby:
        why = (
            "it is a standby (in recovery). Name the primary in the URL, or all hosts and"
            " target_session_attrs=read-write."
        )
    elif state.by_default:
        why = (
            "its transactions are read-only by default (default_transaction_read_only), as providers set it where the"
            f" disk is full. `{command('doctor')}` says where it is set."
        )
    else:
        return None
    return f"The database {state.database} at {state.server} cannot be written to: {why}"


def require_writable(connection: Connection) -> None:
    """Raise ReadOnlyDatabaseError where nothing can be changed; the connection must not be in a transaction."""
    reason = read_only_reason(connection)
    connection.rollback()
    if reason is not None:
        raise ReadOnlyDatabaseError(f"{reason} Nothing was changed.")
