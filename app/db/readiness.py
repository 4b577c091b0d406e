"""Readiness: whether the database answers, and whether this release works on its schema."""

import asyncio

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.core.errors import ServiceUnavailableError
from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.migrator.backfill.records import Record, read_records
from app.migrator.locking.deadline import Deadline
from app.migrator.locking.table_locks import read_when_unlocked
from app.migrator.revisions.loading import load_revisions
from app.migrator.revisions.schema_state import SchemaState, read_state
from app.models import metadata
from app.postgres.connect import is_lost, is_refusal
from app.postgres.connect_failure import classify_connect_error
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import MigrationFailedError, error_summary
from app.postgres.url.database_url import DatabaseURL

READY_WITHIN_SECONDS = 2.0


class DatabaseNotReadyError(ServiceUnavailableError):
    code = "database_unreachable"


class DatabaseReadOnlyError(ServiceUnavailableError):
    """The database can only be read: it is a standby after a failover, or its disk is full."""

    code = "database_read_only"


class SchemaBehindError(ServiceUnavailableError):
    code = "schema_behind"


class SchemaContractedError(ServiceUnavailableError):
    """A newer release has removed from the schema what this release uses."""

    code = "schema_contracted"


class Readiness:
    """Checks the database over a connection of its own: a busy pool is no reason to send traffic elsewhere."""

    def __init__(self, settings: Settings, url: DatabaseURL) -> None:
        self._engine = create_unpooled_engine(url, READY_WITHIN_SECONDS)
        self._scripts = load_revisions(migrator_config(settings))
        self.heads = tuple(self._scripts.get_heads())
        # What the last read of the state has found beside it.
        self.backfills: tuple[Record, ...] = ()
        self._running_read: asyncio.Task[SchemaState] | None = None

    async def check(self) -> None:
        """Return, within 2 s, if this process can serve.

        Otherwise raises DatabaseNotReadyError, DatabaseReadOnlyError, SchemaBehindError or SchemaContractedError.
        """
        state = await self.read_state()
        if state.read_only:
            raise DatabaseReadOnlyError(state.read_only)
        if state.is_behind:
            raise SchemaBehindError(_behind(state))
        if state.broken_by:
            raise SchemaContractedError(
                f"The schema is ahead of this release and does not serve it: {', '.join(state.broken_by)} is a contract"
                " revision, or not recorded in schema_history."
            )

    async def read_state(self) -> SchemaState:
        """Return the state of the schema within 2 s. Raises DatabaseNotReadyError."""
        read = self._shared_read()
        # Not wait_for(), which also waits for the cancelled connection to be closed.
        done, _ = await asyncio.wait({read}, timeout=READY_WITHIN_SECONDS)
        if not done:
            read.cancel()
            raise DatabaseNotReadyError(f"The database did not answer within {READY_WITHIN_SECONDS:g} s.")
        try:
            return read.result()
        except MigrationFailedError as exc:
            raise DatabaseNotReadyError(str(exc)) from exc
        except asyncio.CancelledError:
            raise DatabaseNotReadyError("The database did not answer an earlier check in time.") from None
        except (OSError, TimeoutError, DBAPIError) as exc:
            if is_refusal(exc):
                # Most likely the role may not read alembic_version or schema_history.
                raise DatabaseNotReadyError(
                    f"The database refused to say where it stands: {error_summary(exc)}."
                ) from exc
            raise DatabaseNotReadyError(
                f"The database cannot be reached: {classify_connect_error(exc).reason}."
            ) from exc

    def _shared_read(self) -> "asyncio.Task[SchemaState]":
        """Return the read that is under way, or start one.

        Requests share it: the path needs no token, and each read takes a connection.
        """
        if self._running_read is None or self._running_read.done():
            self._running_read = asyncio.create_task(self._read_state())
            # Retrieves the exception even if nobody waits any more: asyncio would log it as never retrieved.
            self._running_read.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._running_read

    async def _read_state(self) -> SchemaState:
        async with self._engine.connect() as connection:
            state, self.backfills = await read_when_unlocked(
                connection, Deadline(0), READY_WITHIN_SECONDS / 2, self._read_both
            )
            return state

    def _read_both(self, connection: Connection) -> tuple[SchemaState, tuple[Record, ...]]:
        state = read_state(connection, self._scripts, metadata)
        try:
            return state, tuple(read_records(connection).values())
        except DBAPIError as exc:
            if is_lost(exc):
                raise
            # That our role may not read the table, or somebody holds it, is no reason not to serve.
            return state, ()


def _behind(state: SchemaState) -> str:
    if state.is_managed:
        return f"The schema is behind this release by {len(state.pending)} revision(s)."
    return f"The schema lacks {len(state.missing_tables)} table(s) of this release."
