"""The table of checks, and the examination as a whole: what does not depend on what is broken still runs."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import msgspec
from alembic.script import ScriptDirectory

from app.core.config import Reading
from app.core.setting_sources import setting_of
from app.db.database import open_database
from app.migrator.doctor import activity, privileges, revisions, schema, server, storage
from app.migrator.doctor.configuration import Way, configuration, ways
from app.migrator.doctor.finding import Finding, Limits, Severity, Subject, note, problem
from app.migrator.doctor.reach import reach
from app.migrator.doctor.replicas import replicas
from app.migrator.doctor.runner import Check, ask_all, named, not_reached
from app.migrator.doctor.session import compare, poolers
from app.migrator.revisions.loading import scripts
from app.postgres.errors import DatabaseError

# In the order in which one thing may be the cause of the next.
CHECKS: tuple[Check, ...] = (
    Check("Server", "version", server.version),
    Check("Server", "writable", server.writable),
    Check("Server", "encoding", server.encoding),
    Check("Server", "clock", server.clock),
    Check("Privileges", "schema", privileges.schema),
    Check("Privileges", "tables", privileges.tables),
    Check("Privileges", "sight", privileges.sight),
    Check("Revisions", "state", revisions.state),
    Check("Revisions", "history", revisions.history),
    Check("Revisions", "drift", schema.drift),
    Check("Activity", "lock", activity.lock),
    Check("Activity", "blocked", activity.blocked),
    Check("Activity", "transactions", activity.transactions),
    Check("Storage", "indexes", storage.indexes),
    Check("Storage", "constraints", storage.constraints),
    Check("Storage", "partitions", storage.partitions),
    Check("Storage", "connections", storage.connections),
    Check("Storage", "size", storage.sizes),
    Check("Storage", "disk", storage.disk),
    Check("Storage", "wal", storage.wal),
    Check("Storage", "slots", storage.slots),
    Check("Storage", "wraparound", storage.wraparound),
)
GROUPS = ("Configuration", "Connection", *dict.fromkeys(check.group for check in CHECKS))


def examine(reading: Reading, limits: Limits | None = None) -> list[Finding]:
    """Every finding, in the order of GROUPS. Blocks, for some seconds where a server does not answer."""
    allowed = limits or Limits()
    allowed = replace(allowed, connect_timeout=min(allowed.connect_timeout, reading.settings.db_connect_timeout))
    findings = named("Configuration", "settings", configuration(reading))
    found, wrong = ways(reading)
    findings += named("Configuration", "settings", wrong)
    with ExitStack() as held:
        if _starts_by_itself(reading):
            try:
                found = [Way("DATABASE_URL", held.enter_context(open_database(reading.settings)))]
            except DatabaseError as exc:
                command = f"ls -la {reading.settings.data_dir}"
                failed = problem(str(exc), "Without it there is no database to look at.", command)
                findings += named("Connection", "start", [failed])
        directory, read = _read_files(reading)
        findings += named("Revisions", "files", read)
        findings += asyncio.run(_look(reading, directory, found, allowed))
    return sorted(findings, key=lambda finding: GROUPS.index(finding.group))


def most_important(findings: Sequence[Finding]) -> Finding | None:
    """The first problem, or else the first warning: what comes later may follow from it."""
    for severity in (Severity.PROBLEM, Severity.WARNING):
        for finding in findings:
            if finding.severity is severity:
                return finding
    return None


def _starts_by_itself(reading: Reading) -> bool:
    """Whether that is what the settings mean, not what is left of wrong ones."""
    settings, wrong = reading.settings, {setting_of(found.variable) for found in reading.problems}
    unset = settings.database_url is None and settings.migration_database_url is None
    is_meant = reading.is_complete and not wrong & {"ENVIRONMENT", "DATABASE_URL", "MIGRATION_DATABASE_URL"}
    return settings.is_dev and unset and is_meant


def _read_files(reading: Reading) -> tuple[ScriptDirectory | None, list[Finding]]:
    try:
        directory = scripts(reading.settings)
    except DatabaseError as exc:
        why = "Nothing can be migrated, and a server that migrates at its start ends with exit code 3."
        return None, [problem(str(exc), why, "litestar database heads")]
    return directory, list(revisions.files(directory))


async def _look(
    reading: Reading, directory: ScriptDirectory | None, found: Sequence[Way], limits: Limits
) -> list[Finding]:
    reached = await asyncio.gather(*(reach(way.url, limits) for way in found))
    findings: list[Finding] = []
    for way, (steps, _) in zip(found, reached, strict=True):
        for step, finding in steps:
            findings += named("Connection", step, [_of(way, finding) if len(found) > 1 else finding])
    checks = [*CHECKS, *_of_the_application(found)]
    open_ways = [way for way, (_, passed) in zip(found, reached, strict=True) if passed]
    if not open_ways:
        why = "there is no session" if found else "no setting names a database that can be tried"
        findings += [] if found else named("Connection", "way", [note(f"Not reached: {why}.")])
        return [*findings, *not_reached(checks, why)]
    findings += named("Connection", "pooler", await poolers(open_ways, limits))
    if len(open_ways) > 1:
        findings += named("Connection", "same database", await compare(open_ways, limits))
    findings += named("Connection", "replicas", await replicas(reading.settings, open_ways[0].url, limits))
    return findings + await ask_all(checks, Subject(reading.settings, open_ways[0].url, directory, limits))


def _of(way: Way, finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, seen=f"{way.variable}: {finding.seen}")


def _of_the_application(found: Sequence[Way]) -> list[Check]:
    """What there is to ask where the application is another role than migrations."""
    migrating, *rest = (way.url.user for way in found) if found else (None,)
    return [
        Check("Privileges", "application", partial(privileges.application, role=user))
        for user in rest
        if user and user != migrating
    ]
