"""The transaction of a restore: drop the obstacles, run the dump, count the rows, and only then commit."""

import asyncio
import secrets
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from ...postgres.errors import BackupError
from ..engine_tables import version_table
from ..locking.migration_lock import JOIN_HOLDER, held_as_sql
from .archive import CHUNK, Archive
from .contents import TABLES, Obstacle, count_statement, revisions_query
from .manifest import BackupProgress, Manifest, Report
from .pg_tools import Access, Tools
from .programs import BROKEN_PIPE, Program, running

# Roles, directories and other servers belong to the machine, not to the database.
_NOT_RESTORED = ("--no-owner", "--no-acl", "--no-tablespaces", "--no-publications", "--no-subscriptions")
_RUN = (
    "--no-psqlrc",
    "--quiet",
    "--no-align",
    "--tuples-only",
    "--no-password",
    "--set=ON_ERROR_STOP=1",
    # With the SQLSTATE, by which errors are recognized.
    "--set=VERBOSITY=verbose",
)
# What pg_restore sets first, and the server's first major version that knows it.
_NEWER = {b"SET transaction_timeout = 0;\n": 17}
_LAST_OF_SETTINGS = b"SELECT pg_catalog.set_config('search_path'"


class RestorePlan(NamedTuple):
    """What is restored, and into what.

    `lock_timeout`, in seconds, is for dropping the obstacles; `server` is the major version. `mark` is the key of a
    lock that is held by the session in which the obstacles were found; `location` is where that is, for messages.
    """

    archive: Archive
    obstacles: tuple[Obstacle, ...]
    lock_timeout: float
    server: int
    mark: int
    location: str


async def replay(tools: Tools, database: Access, plan: RestorePlan, report: Report) -> None:
    """Run the transaction. Raises BackupError, and then nothing was changed."""
    command = tools.command("psql", *_RUN, f"--dbname={database.connection}")
    async with running(command, database.environment, takes_input=True) as psql:
        try:
            await psql.write(b"BEGIN;\n")
            await _require_same_database(psql, plan)
            await psql.write(_beginning(plan).encode())
            await _run_dump(tools, database, plan, psql, report)
            await _verify(psql, plan.archive.manifest, report)
            report(BackupProgress("Collecting statistics", 0, 1, "tables"))
            # Without statistics the first queries would be planned badly.
            await psql.write(b"ANALYZE;\nCOMMIT;\n")
            psql.close_input()
        except BROKEN_PIPE:
            raise await psql.failure() from None
        await psql.succeed()
    report(BackupProgress("Collecting statistics", 1, 1, "tables"))


async def _require_same_database(psql: Program, plan: RestorePlan) -> None:
    """Raise BackupError unless psql is in the database of the obstacles; let it hold the migration lock, too."""
    # A copy of the server has the same identifier and database number, but not the lock.
    marked = f"SELECT to_json(EXISTS (SELECT FROM pg_locks AS held WHERE {held_as_sql(plan.mark)}))"  # noqa: S608
    if await _query(psql, marked) != [True]:
        raise BackupError(
            f"psql was led to another server or database than {plan.location}, whose content was looked at: does a load"
            " balancer stand in between? Name one server in MIGRATION_DATABASE_URL. Nothing was changed."
        )
    if await _query(psql, JOIN_HOLDER) != [True]:
        raise BackupError(
            "The lock for schema changes was taken by somebody else before psql had its share: try again. Nothing was"
            " changed."
        )


def _beginning(plan: RestorePlan) -> str:
    statements = (
        "SET client_min_messages = warning",
        # If psql is killed with this process, its statement in the server ends, too.
        "SET LOCAL client_connection_check_interval = '1s'",
        "SET statement_timeout = 0",
        f"SET lock_timeout = {round(plan.lock_timeout * 1000)}",
    )
    return "".join(f"{statement};\n" for statement in (*statements, *(each.drop for each in plan.obstacles)))


async def _run_dump(tools: Tools, database: Access, plan: RestorePlan, psql: Program, report: Report) -> None:
    command = tools.command("pg_restore", *_NOT_RESTORED, "--exit-on-error", "--file=-")
    async with running(command, database.environment, takes_input=True) as restorer:
        feeding = asyncio.create_task(_feed(restorer, plan.archive, report))
        try:
            await _pass_on(restorer, psql, plan.server)
            await restorer.succeed()
            await feeding
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError, *BROKEN_PIPE):
                await feeding


async def _feed(restorer: Program, archive: Archive, report: Report) -> None:
    done, size = 0, archive.manifest.size
    for piece in archive.dump():
        await restorer.write(piece)
        done += len(piece)
        report(BackupProgress("Restoring", done, size, "bytes"))
    report(BackupProgress("Building indexes and constraints", size, size, "bytes"))
    restorer.close_input()


async def _pass_on(restorer: Program, psql: Program, server: int) -> None:
    while line := await restorer.output.readline():
        if _NEWER.get(line, 0) <= server:
            await psql.write(line)
        if line.startswith(_LAST_OF_SETTINGS):
            break
    while piece := await restorer.output.read(CHUNK):
        await psql.write(piece)


async def _verify(psql: Program, manifest: Manifest, report: Report) -> None:
    """Raise BackupError, which lists the differences, unless the database is what the manifest says."""
    await psql.write(b"RESET search_path;\n")
    tables = await _query(psql, f"SELECT to_json(name) FROM ({TABLES}) AS own")  # noqa: S608
    rows = {}
    for number, table in enumerate(tables):
        report(BackupProgress("Counting rows", number, len(tables), "tables", table))
        (rows[table],) = await _query(psql, count_statement(table))
    report(BackupProgress("Counting rows", len(tables), len(tables), "tables"))
    differences = [
        f"{table}: {_rows(manifest.rows.get(table))} in the backup, {_rows(rows.get(table))} restored"
        for table in sorted({*manifest.rows, *rows})
        if manifest.rows.get(table) != rows.get(table)
    ]
    revisions = await _revisions(psql)
    if revisions != manifest.revisions:
        differences.append(f"revision: {_list(manifest.revisions)} in the backup, {_list(revisions)} restored")
    if differences:
        listed = "".join(f"\n  - {difference}" for difference in differences)
        raise BackupError(f"What was restored is not what the manifest says, and was rolled back:{listed}")


async def _revisions(psql: Program) -> tuple[str, ...]:
    if not await _query(psql, f"SELECT 1 WHERE to_regclass('{version_table()}') IS NOT NULL"):
        return ()
    return tuple(await _query(psql, f"SELECT to_json(name) FROM ({revisions_query()}) AS of_the_database"))  # noqa: S608


async def _query(psql: Program, query: str) -> list[Any]:
    """Return the rows of a query with one column, which is JSON."""
    # Earlier output, such as the results of setval(), ends at the first mark.
    mark = secrets.token_hex(16)
    await psql.write(f"SELECT '{mark}';\n{query};\nSELECT '{mark}';\n".encode())
    answers: list[Any] = []
    marks = 0
    while raw := await psql.output.readline():
        line = raw.rstrip(b"\n")
        if line == mark.encode():
            marks += 1
        elif marks:
            answers.append(msgspec.json.decode(line))
        if marks == 2:  # noqa: PLR2004 - before and after
            return answers
    raise await psql.failure()


def _rows(count: int | None) -> str:
    return "no such table" if count is None else f"{count} rows"


def _list(revisions: tuple[str, ...]) -> str:
    return ", ".join(revisions) or "none"
