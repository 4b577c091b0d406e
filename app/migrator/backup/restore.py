"""Restoring a backup: in one transaction, which is committed only after the rows have been counted.

pg_restore turns the dump into SQL, and one psql runs that between our BEGIN and COMMIT: with `pg_restore --dbname` what
there was could not be dropped in the same transaction, nor the result be looked at before it counts. Whatever fails or
is killed, psql has then not been told to COMMIT, and the database is as it was.

Owners and privileges are not restored, since roles belong to a server and not to a database: all is owned by the role
that restores, and default privileges of the target apply. Neither are tablespaces, publications and subscriptions.
"""

import asyncio
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.config import Settings
from app.db.database import open_migration_database
from app.migrator.backup.archive import Archive
from app.migrator.backup.contents import Obstacle, describe, obstacles, other_sessions
from app.migrator.backup.manifest import Manifest, Report, silent
from app.migrator.backup.pg_tools import Tools, access, tools_to_restore
from app.migrator.backup.replay import Plan, replay
from app.migrator.backup.snapshot import server_version, session
from app.migrator.execution.statement_guard import silence
from app.migrator.revisions.loading import scripts
from app.migrator.session.guard import guarded
from app.migrator.session.lock import migration_lock, share_lock
from app.migrator.session.read_only import read_only_reason
from app.migrator.session.readonly_connection import look
from app.postgres.errors import BackupError
from app.postgres.url.database_url import DatabaseURL
from app.postgres.url.pinned import pin_url, pin_url_to

_MARK = text("SELECT pg_advisory_lock(:key)")
_BITS = 63  # Of a bigint, without its sign.
# Seconds that pg_restore may take to begin.
_SILENT_AT_LEAST = 30.0
_LOOKS = 10
_PAUSE = 0.05


@dataclass(frozen=True)
class Target:
    """The database that would be restored into; `obstacles` is empty if a restore needs no --replace."""

    location: str
    obstacles: tuple[Obstacle, ...]

    def __str__(self) -> str:
        return f"{self.location}: {describe(self.obstacles) or 'empty'}"


@dataclass(frozen=True)
class Restored:
    """`unknown` are revisions that this release does not have; `is_behind`: it has some that the backup lacks."""

    location: str
    manifest: Manifest
    unknown: tuple[str, ...]
    is_behind: bool


def look_at_target(settings: Settings) -> Target:
    """Changes nothing. Raises DatabaseUnreachableError."""

    def target(connection: Connection, url: DatabaseURL) -> Target:
        return Target(pin_url_to(url, connection.connection.driver_connection).location, obstacles(connection))

    return look(settings, target)


def restore(
    settings: Settings,
    archive: Archive,
    *,
    replace: bool = False,
    while_connected: bool = False,
    shown: Target | None = None,
    report: Report = silent,
) -> Restored:
    """Puts the backup into the database, which must be empty unless `replace` allows to drop what it holds.

    `shown` is what somebody has agreed to drop: another server of several that the URL names is refused.

    Replacing is refused while others are connected, unless `while_connected`: an application would go on writing what
    is about to be dropped, and then wait. The migration lock is held throughout. Not to be called in a thread that runs
    an event loop. Raises BackupError, MigrationFailedError (the lock) and DatabaseUnreachableError.
    """
    tools = tools_to_restore(settings, int(archive.manifest.pg_dump.partition(".")[0]))
    directory = scripts(settings)
    ours = {script.revision for script in directory.walk_revisions()}
    revisions = archive.manifest.revisions
    with open_migration_database(settings) as url:
        location = asyncio.run(_restore(settings, url, tools, archive, replace, while_connected, shown, report))
    return Restored(
        location=location,
        manifest=archive.manifest,
        unknown=tuple(revision for revision in revisions if revision not in ours),
        is_behind=bool(revisions) and set(revisions) < ours and set(revisions) != set(directory.get_heads()),
    )


async def _restore(
    settings: Settings,
    url: DatabaseURL,
    tools: Tools,
    archive: Archive,
    replace: bool,
    while_connected: bool,
    shown: Target | None,
    report: Report,
) -> str:
    """Return where the database is: of several hosts the one that it was."""
    async with (
        session(settings, url, "The restore") as connection,
        migration_lock(connection, settings.db_migrate_lock_wait),
        guarded(connection, max(silence(settings), _SILENT_AT_LEAST), with_programs=True),
    ):
        pinned, mark = await pin_url(url, connection), secrets.randbits(_BITS)
        if shown is not None and shown.location != pinned.location:
            raise BackupError(
                f"What was shown to be dropped is in {shown.location}, and now the URL has led to {pinned.location}."
                " Name one host in it. Nothing was changed."
            )
        found = await connection.run_sync(obstacles)
        read_only = await connection.run_sync(read_only_reason)
        await connection.rollback()
        if read_only:
            raise BackupError(f"{read_only} Nothing was changed.")
        if found and not replace:
            raise BackupError(
                f"The database {pinned.location} is not empty: it holds {describe(found)}. Restore into an empty"
                " database, or drop all of that in favour of the backup with --replace. Nothing was changed."
            )
        if found and not while_connected:
            await _require_alone(connection, pinned)
        await connection.execute(_MARK, {"key": mark})
        await share_lock(connection)
        with access(pinned, settings.db_connect_timeout) as database:
            timeout, server = settings.db_migrate_lock_timeout, server_version(connection)
            await replay(tools, database, Plan(archive, found, timeout, server, mark, pinned.location), report)
    return pinned.location


async def _require_alone(connection: AsyncConnection, url: DatabaseURL) -> None:
    # Not at the first look: a session, one of ours too, is seen a little longer than it lasts.
    for _ in range(_LOOKS):
        others = await connection.run_sync(other_sessions)
        await connection.rollback()
        if not others:
            return
        await asyncio.sleep(_PAUSE)
    raise BackupError(
        f"Others are connected to the database {url.location}: {others}. Stop the application first, or go on all the"
        " same with --while-connected: what they write until then is dropped, and they wait. Nothing was changed."
    )
