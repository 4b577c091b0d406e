"""Showing what partitions lack, and making, splitting and dropping them; several processes may do it at once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import is_lost, open_connection
from ...postgres.errors import MigrationFailedError, error_summary, sqlstate_of
from ...postgres.url.database_url import DatabaseURL
from ..command_names import command
from ..config import MigratorConfig
from ..execution.session_limits import limit_statements, reset_session
from ..locking.deadline import Deadline
from ..locking.retries import TABLE_IN_USE, recover_from_table_in_use, run_with_retries
from ..locking.silence_guard import guarded_lock
from ..read_only_database import read_only_reason
from ..readonly_connection import with_readonly_connection
from ..signals import cancel_on_signals
from ..spans import MAKE_PARTITIONS
from . import ddl
from .clock import clock_difference, require_clocks_agree
from .state import (
    Action,
    KeptLonger,
    PartitionState,
    PartitionStep,
    counted,
    expired_in_default,
    read_kept_longer,
    read_partitions,
)

T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Partitioning:
    """What a run found and did; `tables` are as they were at its beginning.

    `left` is what is still to be done, also what may only be dropped when somebody says so.
    """

    database: str
    tables: tuple[PartitionState, ...]
    done: tuple[Action, ...]
    left: tuple[Action, ...]
    kept_longer: tuple[KeptLonger, ...] = ()
    clocks: str | None = None
    """By how much the clocks of server and machine differ, if that keeps months from being made or dropped."""

    @property
    def drops(self) -> tuple[Action, ...]:
        """What is left to be dropped."""
        return tuple(action for action in self.left if action.step is PartitionStep.DROP)


def preview_maintenance(config: MigratorConfig, keep: int | None = None, now: datetime | None = None) -> Partitioning:
    """Return what `maintain` would do, and change nothing.

    `keep` is the number of months before this one that are kept, instead of the settings'. Raises
    DatabaseUnreachableError.
    """

    def read(connection: Connection, url: DatabaseURL) -> Partitioning:
        limit_statements(connection, config)
        tables = read_partitions(connection, config, keep=keep, now=now)
        left = [action for state in tables for action in state.to_make()]
        for state in tables:
            left += [counted(connection, action) for action in state.to_drop()]
            left += expired_in_default(connection, state)
        clocks = clock_difference(connection)
        return Partitioning(url.location, tuple(tables), (), tuple(left), _kept_longer(connection, tables), clocks)

    return with_readonly_connection(config, read)


def maintain(
    config: MigratorConfig, keep: int | None = None, *, may_drop: bool = False, now: datetime | None = None
) -> Partitioning:
    """Make the partitions to come, split what the default holds, and drop the expired ones if `may_drop`.

    A run that is killed at any moment is continued by the next one. Do not call it in a thread that runs an event loop.
    Raises MigrationFailedError and DatabaseUnreachableError.
    """
    with config.open_database() as url:
        return asyncio.run(_maintain(config, url, keep, may_drop, now))


async def _maintain(
    config: MigratorConfig, url: DatabaseURL, keep: int | None, may_drop: bool, now: datetime | None
) -> Partitioning:
    with cancel_on_signals():
        async with (
            open_connection(url, config.connect_timeout, f"{config.application} migrations") as connection,
            guarded_lock(connection, config, Deadline(config.lock_wait)),
        ):
            work = _Maintenance(connection, config, keep, now)
            tables = await work.read()
            await work.make(tables)
            # Some of the rows that the default held have expired partitions now.
            split = await work.read()
            left = await work.drop(split, may_drop=may_drop)
            kept_longer = await work.kept_longer(split)
            return Partitioning(url.location, tuple(tables), tuple(work.done), tuple(left), kept_longer)


async def lacks_partitions(connection: AsyncConnection, config: MigratorConfig) -> bool:
    """Return whether `make_missing_partitions` has anything to do, or somebody is doing it."""

    def lacks(connection: Connection) -> bool:
        limit_statements(connection, config)
        is_lacking = any(True for state in read_partitions(connection, config) for _ in state.to_make())
        if is_lacking and (reason := read_only_reason(connection)):
            log.warning("partitions are missing, and cannot be made", reason=reason)
            return False
        return is_lacking

    try:
        return await connection.run_sync(lacks)
    except DBAPIError as exc:
        if sqlstate_of(exc) not in TABLE_IN_USE:
            raise
        return True
    finally:
        await connection.rollback()


async def make_missing_partitions(connection: AsyncConnection, config: MigratorConfig) -> None:
    """Make the partitions to come, under the migration lock; a failure is logged as a warning, and not raised.

    The default partition takes the rows meanwhile.
    """
    work = _Maintenance(connection, config)
    try:
        with config.open_span(MAKE_PARTITIONS, {}) as span:
            await work.make(await work.read())
            span["partitions"] = len(work.done)
    except MigrationFailedError as exc:
        missing = f"partitions are missing: `{command('partitions')} --apply` makes them"
        log.warning(missing, reason=str(exc))


def _kept_longer(connection: Connection, tables: list[PartitionState]) -> tuple[KeptLonger, ...]:
    return tuple(rows for state in tables for rows in read_kept_longer(connection, state))


class _Maintenance:
    """One run, on a connection that holds the migration lock."""

    def __init__(
        self, connection: AsyncConnection, config: MigratorConfig, keep: int | None = None, now: datetime | None = None
    ) -> None:
        self._connection = connection
        self._config = config
        self._keep = keep
        self._now = now
        self.done: list[Action] = []

    async def read(self) -> list[PartitionState]:
        await self._connection.run_sync(reset_session, self._config)
        await self._try(require_clocks_agree)
        return await self._try(read_partitions, self._config, keep=self._keep, now=self._now)

    async def make(self, tables: list[PartitionState]) -> None:
        for state in tables:
            if state.default is None:
                self._record(await self._try(ddl.make_default, state.table))
            elif state.holds_rows or state.is_sealed:
                await self._split(state, state.default)
            now = await self._reread(state)
            for month in now.missing:
                self._record(await self._try(ddl.make_month, now.table, now.default, month))

    async def drop(self, tables: list[PartitionState], *, may_drop: bool) -> list[Action]:
        """Drop the expired partitions if `may_drop`. Returns what is left."""
        left = []
        for state in tables:
            for partition, action in zip(state.expired, state.to_drop(), strict=True):
                known = await self._try(counted, action)
                if may_drop:
                    await self._try(ddl.drop, state.table, partition)
                    self._record(known)
                else:
                    left.append(known)
        return left

    async def kept_longer(self, tables: list[PartitionState]) -> tuple[KeptLonger, ...]:
        return await self._try(_kept_longer, tables)

    async def _split(self, state: PartitionState, default: str) -> None:
        """Give the default's rows partitions: those of earlier and later months move, the others stay."""
        if state.is_sealed:
            await self._try(ddl.break_seal, default)
        begin, end = state.unpartitioned
        for month in await self._try(ddl.stray_months, state, begin, end):
            self._record(await self._try(ddl.make_month, state.table, default, month))
        if begin == end or not (await self._reread(state)).holds_rows:
            return
        try:
            await self._try(ddl.begin_sealing, default, begin, end)
            await self._try(ddl.validate_seal, default)
            self._record(await self._try(ddl.seal, state.table, default, begin, end))
        except MigrationFailedError:
            await self._try(ddl.break_seal, default)
            raise

    async def _reread(self, state: PartitionState) -> PartitionState:
        found = await self._try(read_partitions, self._config, keep=self._keep, now=self._now)
        return next(one for one in found if one.table == state.table)

    async def _try(self, work: Callable[..., T], *arguments: object, **options: object) -> T:
        """Call `work` in a transaction, and again while the table is in use. Raises MigrationFailedError."""

        async def attempt(_: int, lock_wait: float) -> T:
            return await self._connection.run_sync(run, lock_wait)

        def run(connection: Connection, lock_wait: float) -> T:
            with connection.begin():
                limit_statements(connection, self._config, lock_wait)
                return work(connection, *arguments, **options)

        retries, longest = self._config.lock_retries, self._config.lock_timeout
        recover = partial(recover_from_table_in_use, self._connection, self._config)
        try:
            return await run_with_retries(attempt, recover, retries, longest)
        except DBAPIError as exc:
            if is_lost(exc):
                raise
            raise MigrationFailedError(
                f"The partitions could not be brought up to date: {error_summary(exc)}. What was done before"
                " stays, and the default partition takes the rows meanwhile: try again."
            ) from exc

    def _record(self, action: Action) -> None:
        self.done.append(action)
        log.info("changed a partition", step=action.step.value, partition=action.partition, rows=action.rows)
