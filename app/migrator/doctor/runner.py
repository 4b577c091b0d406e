"""Running checks on a database: each has a time limit, and a transaction that is read-only or rolled back."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect_failure import classify_connect_error
from ...postgres.errors import error_summary, sqlstate_of
from ...postgres.sqlstate import INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, QUERY_CANCELED
from ..locking.table_locks import describe_holders
from .finding import CheckContext, CheckLimits, Finding, note, warning
from .poolers import doctor_engine

# A statement that took too long, or waited too long for a lock.
_TOO_LONG = frozenset({QUERY_CANCELED, LOCK_NOT_AVAILABLE})
_RESTRICT = text(
    "SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', :statement, true),"
    " set_config('lock_timeout', :lock, true)"
)
# Seconds beyond the statement's limit, for the network.
_GRACE = 1.0
# Seconds for all checks together: if a server has become slow, the rest is left out.
_ALTOGETHER = 30.0


class Check(NamedTuple):
    """A check that needs a connection."""

    group: str
    name: str
    run: Callable[[Connection, CheckContext], Iterable[Finding]]


def label_findings(group: str, check: str, findings: Iterable[Finding]) -> list[Finding]:
    return [msgspec.structs.replace(finding, group=group, check=check) for finding in findings]


def not_reached(checks: Iterable[Check], why: str) -> Iterator[Finding]:
    """Yield a note for each check that cannot run."""
    for check in checks:
        yield from label_findings(check.group, check.name, [note(f"Not reached: {why}.")])


async def run_checks(checks: Sequence[Check], context: CheckContext) -> list[Finding]:
    """Return what each check finds. A failure is a finding; after a lost connection the next check has a new one."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ALTOGETHER
    findings: list[Finding] = []
    connection: AsyncConnection | None = None
    for done, check in enumerate(checks):
        if loop.time() > deadline:
            return [*findings, *not_reached(checks[done:], "the server has become too slow")]
        try:
            connection = connection or await _connect(context)
        except (OSError, DBAPIError, TimeoutError) as exc:
            return [
                *findings,
                *not_reached(checks[done:], f"the connection was lost: {classify_connect_error(exc).reason}"),
            ]
        found, is_alive = await _run_check(check, connection, context)
        findings += label_findings(check.group, check.name, found)
        if not is_alive:
            await connection.invalidate()
            connection = None
    if connection is not None:
        await connection.close()
    return findings


async def _connect(context: CheckContext) -> AsyncConnection:
    async with asyncio.timeout(context.limits.connect_timeout + _GRACE):
        return await doctor_engine(context.url, context.limits).connect()


async def _run_check(check: Check, connection: AsyncConnection, context: CheckContext) -> tuple[list[Finding], bool]:
    """Return the findings, and whether the connection can be used for the next check."""
    try:
        async with asyncio.timeout(context.limits.statement_timeout + _GRACE):
            try:
                await _restrict(connection, context.limits)
                return await connection.run_sync(lambda sync: list(check.run(sync, context))), True
            finally:
                await connection.rollback()
    except (OSError, DBAPIError, TimeoutError) as exc:
        is_alive = getattr(getattr(exc, "orig", None), "sqlstate", None) is not None and not connection.invalidated
        holders = await _holders(connection) if is_alive and sqlstate_of(exc) == LOCK_NOT_AVAILABLE else ""
        return [_failure(exc, context, holders)], is_alive
    # A check that fails on what it finds must not stop the others.
    except Exception as exc:  # noqa: BLE001
        return [_not_checked(f"{type(exc).__name__}: {error_summary(exc)}", context)], True


async def _restrict(connection: AsyncConnection, limits: CheckLimits) -> None:
    milliseconds = {
        "statement": f"{round(limits.statement_timeout * 1000)}",
        "lock": f"{round(limits.lock_timeout * 1000)}",
    }
    await connection.execute(_RESTRICT, milliseconds)


async def _holders(connection: AsyncConnection) -> str:
    try:
        return await connection.run_sync(describe_holders)
    finally:
        await connection.rollback()


def _failure(exc: Exception, context: CheckContext, holders: str) -> Finding:
    state = getattr(getattr(exc, "orig", None), "sqlstate", None)
    if state == INSUFFICIENT_PRIVILEGE:
        return note("Not visible to this role.", f"The server says: {error_summary(exc)}.")
    if state in _TOO_LONG or isinstance(exc, TimeoutError):
        return warning(
            _too_long(exc, state, holders),
            "The server is overloaded, or a lock is held for long: see who waits for whom.",
            _activity_command(context),
        )
    reason = f"SQLSTATE {state}: {error_summary(exc)}" if state else classify_connect_error(exc).reason
    return _not_checked(reason, context)


def _too_long(exc: Exception, state: str | None, holders: str) -> str:
    if state == LOCK_NOT_AVAILABLE:
        return f"What was asked for is locked: {holders}."
    # The server says who ended the statement: our limit, the role's, or somebody.
    return f"No answer in time{f': {error_summary(exc)}' if state else ''}."


def _not_checked(reason: str, context: CheckContext) -> Finding:
    return warning(f"This could not be looked at: {reason}.", "The other checks go on.", _activity_command(context))


def _activity_command(context: CheckContext) -> str:
    return context.psql("SELECT pid, state, wait_event_type, wait_event FROM pg_stat_activity")
