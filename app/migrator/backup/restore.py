"""Restoring a backup: in one transaction, which is committed only after the rows have been counted.

pg_restore turns the dump into SQL, and one psql runs it between BEGIN and COMMIT: `pg_restore --dbname` could neither
drop the obstacles in the same transaction, nor check the result before it commits. Whatever fails or is killed, psql
has not been told to COMMIT yet, and the database is as it was.

Owners and privileges are not restored, because roles belong to a server and not to a database: everything is owned by
the role that restores, and the target's default privileges apply. Tablespaces, publications and subscriptions are not
restored either.

Two checks prove which database is about to lose its content. `_restore` compares the location that somebody was
`shown` with the `pinned` one, to which its own connection has led. `_require_same_database` of replay.py then checks
that psql is in that database, too.
"""

import asyncio
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.errors import BackupError
from ...postgres.url.database_url import DatabaseURL
from ...postgres.url.resolved import resolve_url, resolve_url_to
from ..config import MigratorConfig
from ..execution.session_limits import longest_silence
from ..locking.deadline import Deadline
from ..locking.migration_lock import migration_lock, share_lock
from ..locking.silence_guard import end_when_silent
from ..read_only_database import read_only_reason
from ..readonly_connection import with_readonly_connection
from ..revisions.baselines import describe_deleted
from ..revisions.loading import load_revisions
from .archive import Archive
from .contents import Obstacle, describe, obstacles, other_sessions
from .manifest import Manifest, Report, silent
from .pg_tools import Tools, access, tools_to_restore
from .replay import RestorePlan, replay
from .snapshot import server_version, session

_MARK = text("SELECT pg_advisory_lock(:key)")
_BITS = 63  # A bigint without its sign.
# Seconds that pg_restore may take to begin.
_SILENT_AT_LEAST = 30.0
_ATTEMPTS = 10
_PAUSE = 0.05


@dataclass(frozen=True)
class Target:
    """The database into which a backup would be restored; without `obstacles` no --replace is needed."""

    location: str
    obstacles: tuple[Obstacle, ...]

    def __str__(self) -> str:
        return f"{self.location}: {describe(self.obstacles) or 'empty'}"


@dataclass(frozen=True)
class Restored:
    """What was restored.

    `unknown` are its revisions that this release does not have; `is_behind`: this release has revisions that it lacks.
    `deleted` says what to do where the files of its revisions were deleted after a squash.
    """

    location: str
    manifest: Manifest
    unknown: tuple[str, ...]
    is_behind: bool
    deleted: str | None = None


def read_target(config: MigratorConfig) -> Target:
    """Return the database of the settings and what is in it; change nothing. Raises DatabaseUnreachableError."""

    def target(connection: Connection, url: DatabaseURL) -> Target:
        return Target(resolve_url_to(url, connection.connection.driver_connection).location, obstacles(connection))

    return with_readonly_connection(config, target)


def restore(
    config: MigratorConfig,
    archive: Archive,
    *,
    replace: bool = False,
    while_connected: bool = False,
    shown: Target | None = None,
    report: Report = silent,
) -> Restored:
    """Put the backup into the database, which must be empty unless `replace` allows to drop what it holds.

    `shown` is the target that somebody has agreed to drop: another server that the URL names is refused.

    Replacing is refused while others are connected, unless `while_connected`: an application would go on writing to
    tables that are about to be dropped, and then wait. The migration lock is held throughout. Do not call it in a
    thread that runs an event loop. Raises BackupError, MigrationFailedError (the lock) and DatabaseUnreachableError.
    """
    tools = tools_to_restore(config, int(archive.manifest.pg_dump.partition(".")[0]))
    directory = load_revisions(config)
    ours = {script.revision for script in directory.walk_revisions()}
    revisions = archive.manifest.revisions
    with config.open_database() as url:
        location = asyncio.run(_restore(config, url, tools, archive, replace, while_connected, shown, report))
    return Restored(
        location=location,
        manifest=archive.manifest,
        unknown=tuple(revision for revision in revisions if revision not in ours),
        deleted=describe_deleted(directory, revisions),
        is_behind=bool(revisions) and set(revisions) < ours and set(revisions) != set(directory.get_heads()),
    )


async def _restore(
    config: MigratorConfig,
    url: DatabaseURL,
    tools: Tools,
    archive: Archive,
    replace: bool,
    while_connected: bool,
    shown: Target | None,
    report: Report,
) -> str:
    """Restore, and return where the database is; if the URL names several hosts, the one that was used."""
    async with (
        session(config, url, "The restore") as connection,
        migration_lock(connection, Deadline(config.lock_wait)),
        end_when_silent(connection, max(longest_silence(config), _SILENT_AT_LEAST), with_programs=True),
    ):
        pinned, mark = await resolve_url(url, connection), secrets.randbits(_BITS)
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
        with access(pinned, config.connect_timeout) as database:
            timeout, server = config.lock_timeout, server_version(connection)
            await replay(tools, database, RestorePlan(archive, found, timeout, server, mark, pinned.location), report)
    return pinned.location


async def _require_alone(connection: AsyncConnection, url: DatabaseURL) -> None:
    # Several times, because pg_stat_activity shows a session a little longer than it lasts, also one of ours.
    for _ in range(_ATTEMPTS):
        others = await connection.run_sync(other_sessions)
        await connection.rollback()
        if not others:
            return
        await asyncio.sleep(_PAUSE)
    raise BackupError(
        f"Others are connected to the database {url.location}: {others}. Stop the application first, or go on all the"
        " same with --while-connected: what they write until then is dropped, and they wait. Nothing was changed."
    )
