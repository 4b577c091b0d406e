"""Running checks on a database: each with a time limit, in a transaction that can change nothing, or is undone."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import classify_connect_error
from ...postgres.errors import cause_of, sqlstate_of
from ...postgres.sqlstate import INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, QUERY_CANCELED
from ..session.table_locks import describe_holders
from .finding import Finding, Limits, Subject, note, warning
from .session import engine

# A statement that took too long, or waited too long for a lock.
_TOO_LONG = frozenset({QUERY_CANCELED, LOCK_NOT_AVAILABLE})
# Beyond the limit of the statement, for the way there and back.
_GRACE = 1.0
# Seconds for all checks together: of a server that has become slow, the rest is not asked.
_ALTOGETHER = 30.0


class Check(NamedTuple):
    """A question that takes a connection."""

    group: str
    name: str
    ask: Callable[[Connection, Subject], Iterable[Finding]]


def named(group: str, check: str, findings: Iterable[Finding]) -> list[Finding]:
    return [msgspec.structs.replace(finding, group=group, check=check) for finding in findings]


def not_reached(checks: Iterable[Check], why: str) -> Iterator[Finding]:
    for check in checks:
        yield from named(check.group, check.name, [note(f"Not reached: {why}.")])


async def ask_all(checks: Sequence[Check], subject: Subject) -> list[Finding]:
    """What each check finds; its failure is a finding, and a connection that is lost is made anew for the next."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ALTOGETHER
    findings: list[Finding] = []
    connection: AsyncConnection | None = None
    for done, check in enumerate(checks):
        if loop.time() > deadline:
            return [*findings, *not_reached(checks[done:], "the server has become too slow")]
        try:
            connection = connection or await _connect(subject)
        except (OSError, DBAPIError, TimeoutError) as exc:
            return [
                *findings,
                *not_reached(checks[done:], f"the connection was lost: {classify_connect_error(exc).reason}"),
            ]
        found, is_alive = await _ask(check, connection, subject)
        findings += named(check.group, check.name, found)
        if not is_alive:
            await connection.invalidate()
            connection = None
    if connection is not None:
        await connection.close()
    return findings


async def _connect(subject: Subject) -> AsyncConnection:
    async with asyncio.timeout(subject.limits.connect_timeout + _GRACE):
        return await engine(subject.url, subject.limits).connect()


async def _ask(check: Check, connection: AsyncConnection, subject: Subject) -> tuple[list[Finding], bool]:
    """The findings, and whether the connection can be used for the next check."""
    try:
        async with asyncio.timeout(subject.limits.statement_timeout + _GRACE):
            try:
                await _restrict(connection, subject.limits)
                return await connection.run_sync(lambda sync: list(check.ask(sync, subject))), True
            finally:
                await connection.rollback()
    except (OSError, DBAPIError, TimeoutError) as exc:
        is_alive = getattr(getattr(exc, "orig", None), "sqlstate", None) is not None and not connection.invalidated
        holders = await _holders(connection) if is_alive and sqlstate_of(exc) == LOCK_NOT_AVAILABLE else ""
        return [_failed(exc, subject, holders)], is_alive
    # A check that trips over what it finds must not take the others with it.
    except Exception as exc:  # noqa: BLE001
        return [_tripped(f"{type(exc).__name__}: {cause_of(exc)}", subject)], True


async def _restrict(connection: AsyncConnection, limits: Limits) -> None:
    await connection.execute(text("SET TRANSACTION READ ONLY"))
    for name, seconds in (("statement_timeout", limits.statement_timeout), ("lock_timeout", limits.lock_timeout)):
        await connection.execute(text(f"SET LOCAL {name} = {round(seconds * 1000)}"))


async def _holders(connection: AsyncConnection) -> str:
    try:
        return await connection.run_sync(describe_holders)
    finally:
        await connection.rollback()


def _failed(exc: Exception, subject: Subject, holders: str) -> Finding:
    state = getattr(getattr(exc, "orig", None), "sqlstate", None)
    if state == INSUFFICIENT_PRIVILEGE:
        return note("Not visible to this role.", f"The server says: {cause_of(exc)}.")
    if state in _TOO_LONG or isinstance(exc, TimeoutError):
        return warning(
            _too_long(exc, state, holders),
            "The server is overloaded, or a lock is held for long: see who waits for whom.",
            _look_by_hand(subject),
        )
    reason = f"SQLSTATE {state}: {cause_of(exc)}" if state else classify_connect_error(exc).reason
    return _tripped(reason, subject)


def _too_long(exc: Exception, state: str | None, holders: str) -> str:
    if state == LOCK_NOT_AVAILABLE:
        return f"What was asked for is locked: {holders}."
    # Who ended the statement the server tells: our limit, the role's, or somebody.
    return f"No answer in time{f': {cause_of(exc)}' if state else ''}."


def _tripped(reason: str, subject: Subject) -> Finding:
    return warning(f"This could not be looked at: {reason}.", "The other checks go on.", _look_by_hand(subject))


def _look_by_hand(subject: Subject) -> str:
    return subject.psql("SELECT pid, state, wait_event_type, wait_event FROM pg_stat_activity")
