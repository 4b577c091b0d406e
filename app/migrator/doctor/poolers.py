"""Whether a pooler stands before the server, and whether several URLs lead to one database."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ...postgres.engine import create_unpooled_engine
from ...postgres.pooler import is_pooled
from ...postgres.url.database_url import DatabaseURL
from ...postgres.url.syntax import EXAMPLE
from . import server
from .finding import CheckLimits, Finding, note, ok, problem, psql
from .target import ConnectionTarget


def doctor_engine(url: DatabaseURL, limits: CheckLimits) -> AsyncEngine:
    """Return an engine for the checks; pg_stat_activity shows its sessions under a name of their own."""
    return create_unpooled_engine(url, limits.connect_timeout, "plimsoll doctor")


async def check_poolers(found: Sequence[ConnectionTarget], limits: CheckLimits) -> list[Finding]:
    """Check for a pooler in transaction mode; `found` are the targets with a session, that of migrations first."""
    pooled = [await _pooled(target.url, limits) for target in found]
    findings = [_for_migrating(found[0], pooled[0])]
    for target, shared in zip(found, pooled, strict=True):
        if shared and target.url.parameters.get("pgbouncer") != "true":
            findings.append(_unprepared(target))
    return findings


async def check_same_database(found: Sequence[ConnectionTarget], limits: CheckLimits) -> list[Finding]:
    names = " and ".join(target.variable for target in found)
    try:
        identities = {await _identity(target.url, limits) for target in found}
    except (OSError, DBAPIError, TimeoutError):
        return [note(f"Whether {names} lead to the same database cannot be seen.")]
    if len(identities) == 1:
        return [ok(f"{names} lead to the same database.")]
    return [
        problem(
            f"{names} lead to two different databases.",
            "Migrations change the one and the application uses the other, which stays behind.",
            psql(found[0].url, "SELECT current_database(), inet_server_addr(), inet_server_port()"),
        )
    ]


def _for_migrating(target: ConnectionTarget, pooled: bool | None) -> Finding:
    if pooled is None:
        return note("Whether there is a pooler in between cannot be seen.")
    if not pooled:
        return ok("The session is ours alone: no pooler in transaction mode is in between.")
    return problem(
        f"{target.variable} leads through a pooler that gives every transaction another session (transaction mode).",
        "The lock for schema changes would not hold, so nothing is migrated this target. Name the server itself, or a"
        " pool in session mode, in MIGRATION_DATABASE_URL.",
        f"export MIGRATION_DATABASE_URL='{EXAMPLE}'",
    )


def _unprepared(target: ConnectionTarget) -> Finding:
    return problem(
        f"{target.variable} leads through a pooler in transaction mode, and does not say pgbouncer=true.",
        "Statements that were prepared in one session are looked for in another: requests fail at random.",
        f"export {target.variable}='{EXAMPLE}?pgbouncer=true'",
    )


async def _pooled(url: DatabaseURL, limits: CheckLimits) -> bool | None:
    """Return whether a pooler gives each transaction another session; None if it cannot be told."""
    try:
        seconds = limits.connect_timeout + limits.statement_timeout
        async with asyncio.timeout(seconds), doctor_engine(url, limits).connect() as connection:
            return await is_pooled(connection)
    except (OSError, DBAPIError, TimeoutError):
        return None


async def _identity(url: DatabaseURL, limits: CheckLimits) -> str:
    seconds = limits.connect_timeout + limits.statement_timeout
    async with asyncio.timeout(seconds), doctor_engine(url, limits).connect() as connection:
        return await connection.run_sync(server.identity)
