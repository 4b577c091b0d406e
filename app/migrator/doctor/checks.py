"""The table of checks, and the examination as a whole: what does not depend on what is broken still runs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
from alembic.script import ScriptDirectory

from ...postgres.errors import DatabaseError
from ...postgres.url.database_url import DatabaseURL
from ..command_line import command
from ..config import MigratorConfig
from ..revisions.loading import scripts
from . import activity, privileges, revisions, schema, server, storage
from .finding import Finding, Limits, Severity, Subject, note, problem
from .reach import reach
from .runner import Check, ask_all, named, not_reached
from .session import compare, poolers
from .target import ConnectionTarget

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


def examine(
    config: MigratorConfig,
    targets: Sequence[ConnectionTarget],
    limits: Limits,
    *,
    found_before: Sequence[Finding] = (),
    further: Callable[[DatabaseURL, Limits], Awaitable[list[Finding]]] | None = None,
) -> list[Finding]:
    """Return every finding, in the order of GROUPS; blocks for some seconds where a server does not answer.

    `targets` begins with the database that migrations use. `further` makes the application's own checks, once there is
    a session; `found_before` are its findings without one.
    """
    directory, read = _read_files(config)
    findings = [*found_before, *named("Revisions", "files", read)]
    findings += asyncio.run(_examine(config, directory, targets, limits, further))
    return sorted(findings, key=lambda finding: GROUPS.index(finding.group))


def most_important(findings: Sequence[Finding]) -> Finding | None:
    """The first problem, or else the first warning: what comes later may follow from it."""
    for severity in (Severity.PROBLEM, Severity.WARNING):
        for finding in findings:
            if finding.severity is severity:
                return finding
    return None


def _read_files(config: MigratorConfig) -> tuple[ScriptDirectory | None, list[Finding]]:
    try:
        directory = scripts(config)
    except DatabaseError as exc:
        why = "Nothing can be migrated, and a server that migrates at its start ends with exit code 3."
        return None, [problem(str(exc), why, f"{command('heads')}")]
    return directory, list(revisions.files(directory))


async def _examine(
    config: MigratorConfig,
    directory: ScriptDirectory | None,
    targets: Sequence[ConnectionTarget],
    limits: Limits,
    further: Callable[[DatabaseURL, Limits], Awaitable[list[Finding]]] | None,
) -> list[Finding]:
    reached = await asyncio.gather(*(reach(target.url, limits) for target in targets))
    findings: list[Finding] = []
    for target, (steps, _) in zip(targets, reached, strict=True):
        for step, finding in steps:
            findings += named("Connection", step, [_of(target, finding) if len(targets) > 1 else finding])
    checks = [*CHECKS, *_of_the_application(targets)]
    open_targets = [target for target, (_, passed) in zip(targets, reached, strict=True) if passed]
    if not open_targets:
        why = "there is no session" if targets else "no setting names a database that can be tried"
        findings += [] if targets else named("Connection", "way", [note(f"Not reached: {why}.")])
        return [*findings, *not_reached(checks, why)]
    url = open_targets[0].url
    findings += named("Connection", "pooler", await poolers(open_targets, limits))
    if len(open_targets) > 1:
        findings += named("Connection", "same database", await compare(open_targets, limits))
    if further is not None:
        findings += named("Connection", "replicas", await further(url, limits))
    return findings + await ask_all(checks, Subject(config, url, directory, limits))


def _of(target: ConnectionTarget, finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, seen=f"{target.variable}: {finding.seen}")


def _of_the_application(targets: Sequence[ConnectionTarget]) -> list[Check]:
    """What there is to ask where the application is another role than migrations."""
    migrating, *rest = (target.url.user for target in targets) if targets else (None,)
    return [
        Check("Privileges", "application", partial(privileges.application, role=user))
        for user in rest
        if user and user != migrating
    ]
