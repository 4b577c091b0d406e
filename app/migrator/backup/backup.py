"""Taking a backup: pg_dump and the manifest's row counts see one snapshot, and one file holds both."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import BinaryIO

from ...postgres.url.database_url import DatabaseURL
from ...postgres.url.resolved import resolve_url
from ..config import MigratorConfig
from .archive import CHUNK, ArchiveWriter
from .manifest import BackupProgress, Manifest, Report, silent
from .new_file import new_file
from .pg_tools import Access, Tools, access, tools_to_dump
from .programs import running
from .snapshot import ExportedSnapshot, count_rows, export_snapshot, server_version, session

_TABLE = re.compile(r"dumping contents of table (.+)")


@dataclass(frozen=True)
class Backup:
    """A backup that is on the disk."""

    path: Path
    manifest: Manifest


def backup(config: MigratorConfig, file: Path | None = None, report: Report = silent) -> Backup:
    """Write a backup of the database to `file`, and return it.

    If `file` is a directory, the backup is in it, and without a `file` in the working directory, under the names of
    database, time and revision. Nothing is overwritten, and the file appears only once it is whole. Traffic goes on
    meanwhile; migrations wait for the tables. Do not call it in a thread that runs an event loop. Raises BackupError,
    DatabaseUnreachableError and SettingsError.
    """
    with config.open_database() as url:
        return asyncio.run(_backup(config, url, file, report))


async def _backup(config: MigratorConfig, url: DatabaseURL, file: Path | None, report: Report) -> Backup:
    async with session(config, url, "The backup") as connection:
        tools = tools_to_dump(config, server_version(connection))
        async with export_snapshot(connection) as snapshot:
            path = _destination(file, snapshot)
            # Before the counting, so that it fails at once if the file cannot be written.
            with new_file(path) as output:
                rows = await count_rows(connection, snapshot.tables, report)
                # The snapshot proves that pg_dump is in the same database: no other has it.
                with access(await resolve_url(url, connection), config.connect_timeout) as database:
                    manifest = await _dump(tools, database, snapshot, rows, output, report, config.release)
            return Backup(path, manifest)


async def _dump(
    tools: Tools,
    database: Access,
    snapshot: ExportedSnapshot,
    rows: dict[str, int],
    output: BinaryIO,
    report: Report,
    release: str,
) -> Manifest:
    writer, begun = ArchiveWriter(output), 0

    def report_table(line: str) -> None:
        nonlocal begun
        if match := _TABLE.search(line):
            report(BackupProgress("Dumping", begun, len(rows), "tables", f"{match[1]}, {writer.size:,} bytes so far"))
            begun += 1

    options = ("--format=custom", "--verbose", "--no-password", f"--snapshot={snapshot.id}")
    command = tools.command("pg_dump", *options, f"--dbname={database.connection}")
    async with running(command, database.environment, on_line=report_table) as program:
        while piece := await program.output.read(CHUNK):
            writer.write(piece)
        await program.succeed()
    report(BackupProgress("Dumping", len(rows), len(rows), "tables"))
    return writer.finish(
        lambda size, sha256: Manifest(
            created_at=snapshot.taken_at.astimezone(UTC),
            release=release,
            revisions=snapshot.revisions,
            database=snapshot.database,
            server=snapshot.server,
            pg_dump=tools.release,
            size=size,
            sha256=sha256,
            rows=rows,
        )
    )


def _destination(file: Path | None, snapshot: ExportedSnapshot) -> Path:
    if file is not None and not file.is_dir():
        return file
    parts = (
        snapshot.database,
        f"{snapshot.taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        "+".join(snapshot.revisions) or "no-revision",
    )
    return (file or Path()) / (re.sub(r"[^\w.+-]", "_", "-".join(parts)) + ".tar")
