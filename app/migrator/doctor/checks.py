"""The table of checks, and all of them together: a check still runs if what it depends on is not broken."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
from alembic.script import ScriptDirectory

from ...postgres.errors import DatabaseError
from ...postgres.url.database_url import DatabaseURL
from ..command_names import command
from ..config import MigratorConfig
from ..revisions.loading import load_revisions
from . import disk, locks, privileges, revisions, schema, server
from .connectivity import check_connectivity
from .finding import CheckContext, CheckLimits, Finding, Severity, note, problem
from .poolers import check_poolers, check_same_database
from .runner import Check, label_findings, not_reached, run_checks
from .target import ConnectionTarget

# In the order in which one may be the cause of the next.
CHECKS: tuple[Check, ...] = (
    Check("Server", "version", server.version),
    Check("Server", "writable", server.writable),
    Check("Server", "encoding", server.encoding),
    Check("Server", "clock", server.clock),
    Check("Privileges", "schema", privileges.schema),
    Check("Privileges", "tables", privileges.tables),
    Check("Privileges", "sight", privileges.can_see_other_sessions),
    Check("Revisions", "state", revisions.state),
    Check("Revisions", "history", revisions.history),
    Check("Revisions", "drift", schema.drift),
    Check("Activity", "lock", locks.lock),
    Check("Activity", "blocked", locks.blocked),
    Check("Activity", "transactions", locks.transactions),
    Check("Storage", "indexes", schema.indexes),
    Check("Storage", "constraints", schema.constraints),
    Check("Storage", "partitions", schema.partitions),
    Check("Storage", "connections", server.connections),
    Check("Storage", "size", disk.sizes),
    Check("Storage", "disk", disk.disk),
    Check("Storage", "wal", disk.wal),
    Check("Storage", "slots", disk.slots),
    Check("Storage", "wraparound", server.wraparound),
)
GROUPS = ("Configuration", "Connection", *dict.fromkeys(check.group for check in CHECKS))


def examine(
    config: MigratorConfig,
    targets: Sequence[ConnectionTarget],
    limits: CheckLimits,
    *,
    found_before: Sequence[Finding] = (),
    further: Callable[[DatabaseURL, CheckLimits], Awaitable[list[Finding]]] | None = None,
) -> list[Finding]:
    """Return every finding, in the order of GROUPS. Blocks for some seconds if a server does not answer.

    `targets` begins with the database that migrations use. `further` makes the application's own checks, once there is
    a session; `found_before` are its findings without one.
    """
    directory, read = _read_files(config)
    findings = [*found_before, *label_findings("Revisions", "files", read)]
    findings += asyncio.run(_examine(config, directory, targets, limits, further))
    return sorted(findings, key=lambda finding: GROUPS.index(finding.group))


def most_important(findings: Sequence[Finding]) -> Finding | None:
    """Return the first problem, or else the first warning: later ones may be its consequences."""
    for severity in (Severity.PROBLEM, Severity.WARNING):
        for finding in findings:
            if finding.severity is severity:
                return finding
    return None


def _read_files(config: MigratorConfig) -> tuple[ScriptDirectory | None, list[Finding]]:
    try:
        directory = load_revisions(config)
        return directory, list(revisions.files(directory))
    except DatabaseError as exc:
        why = "Nothing can be migrated, and a server that migrates at its start ends with exit code 3."
        return None, [problem(str(exc), why, f"{command('heads')}")]


async def _examine(
    config: MigratorConfig,
    directory: ScriptDirectory | None,
    targets: Sequence[ConnectionTarget],
    limits: CheckLimits,
    further: Callable[[DatabaseURL, CheckLimits], Awaitable[list[Finding]]] | None,
) -> list[Finding]:
    reached = await asyncio.gather(*(check_connectivity(target.url, limits) for target in targets))
    findings: list[Finding] = []
    for target, (steps, _) in zip(targets, reached, strict=True):
        for step, finding in steps:
            findings += label_findings(
                "Connection", step, [_with_variable(target, finding) if len(targets) > 1 else finding]
            )
    checks = [*CHECKS, *_application_checks(targets)]
    open_targets = [target for target, (_, passed) in zip(targets, reached, strict=True) if passed]
    if not open_targets:
        why = "there is no session" if targets else "no setting names a database that can be tried"
        findings += [] if targets else label_findings("Connection", "way", [note(f"Not reached: {why}.")])
        return [*findings, *not_reached(checks, why)]
    url = open_targets[0].url
    findings += label_findings("Connection", "pooler", await check_poolers(open_targets, limits))
    if len(open_targets) > 1:
        findings += label_findings("Connection", "same database", await check_same_database(open_targets, limits))
    if further is not None:
        findings += label_findings("Connection", "replicas", await further(url, limits))
    return findings + await run_checks(checks, CheckContext(config, url, directory, limits))


def _with_variable(target: ConnectionTarget, finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, seen=f"{target.variable}: {finding.seen}")


def _application_checks(targets: Sequence[ConnectionTarget]) -> list[Check]:
    """Return the checks of the application's roles, if they are others than the role that migrates."""
    migrating, *rest = (target.url.user for target in targets) if targets else (None,)
    return [
        Check("Privileges", "application", partial(privileges.application, role=user))
        for user in rest
        if user and user != migrating
    ]
