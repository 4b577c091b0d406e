"""Findings about read replicas: whether each is a replica of this primary, and how far behind it is."""

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.settings import Settings
from app.db.replicas.selection import replica_urls
from app.migrator.doctor import server
from app.migrator.doctor.finding import CheckLimits, Finding, ok, problem, psql, warning
from app.migrator.doctor.poolers import doctor_engine
from app.postgres.connect_failure import classify_connect_error
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL
from app.postgres.url.syntax import EXAMPLE

_PRIMARY_POSITION = text("SELECT pg_current_wal_lsn()::text")
_REPLICA_STATE = text(
    "SELECT pg_is_in_recovery(), (CAST(CAST(:written AS text) AS pg_lsn) - pg_last_wal_replay_lsn())::bigint"
)
_LEFT_OUT = "The application leaves it out, and reads another or the primary."


async def check_replicas(settings: Settings, primary: DatabaseURL, limits: CheckLimits) -> list[Finding]:
    try:
        urls = replica_urls(settings)
    except SettingsError as exc:
        command = f"export {exc.variable}='{EXAMPLE}'"
        return [problem(f"{exc.variable} {exc.problem}.", f"The server ends with exit code 2. {exc.remedy}", command)]
    if not urls:
        return []
    seconds = limits.connect_timeout + limits.statement_timeout
    try:
        async with asyncio.timeout(seconds), doctor_engine(primary, limits).connect() as connection:
            identity = await connection.run_sync(server.identity)
            written = str(await connection.scalar(_PRIMARY_POSITION))
    except (OSError, DBAPIError, TimeoutError):
        # Other checks report why.
        return []
    return list(await asyncio.gather(*(_replica(url, identity, written, limits, seconds) for url in urls)))


async def _replica(url: DatabaseURL, identity: str, written: str, limits: CheckLimits, seconds: float) -> Finding:
    name = f"The replica {url.location}"
    try:
        async with asyncio.timeout(seconds), doctor_engine(url, limits).connect() as connection:
            is_copy = await connection.run_sync(server.identity) == identity
            is_in_recovery, behind = (await connection.execute(_REPLICA_STATE, {"written": written})).one()
    except (OSError, DBAPIError, TimeoutError) as exc:
        seen = f"{name} cannot be looked at: {classify_connect_error(exc).reason}."
        return warning(seen, _LEFT_OUT, psql(url, "SELECT pg_is_in_recovery()"))
    if not is_copy:
        command = psql(url, "SELECT system_identifier, current_database() FROM pg_control_system()")
        return warning(f"{name} is no copy of this database.", _LEFT_OUT, command)
    if not is_in_recovery:
        return warning(f"{name} is not in recovery: it follows nobody.", _LEFT_OUT, psql(url, "SELECT version()"))
    return ok(f"{name} is {max(0, behind):,} bytes of the log behind.")
