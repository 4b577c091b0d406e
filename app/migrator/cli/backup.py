"""The command `backup`."""

from pathlib import Path

import msgspec
import rich_click as click

from ..backup import backup as library
from ..backup.manifest import Manifest
from .options import as_json, current_config
from .progress import show_progress
from .rows import print_json


class WrittenBackup(Manifest, frozen=True, kw_only=True):
    """The manifest of a backup, and the path of its file."""

    file: str


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@as_json
def backup(file: Path | None, as_json: bool) -> None:
    """Write a backup of the whole database to FILE, and print the file's name; with --json, its manifest.

    FILE may be a directory. Without FILE it is in the working directory; the name is then made of database, time (UTC)
    and revision. A file that exists is never overwritten, and one that is there is whole: until then it is called
    FILE.….partial. The application goes on working meanwhile; a migration waits.

    The file is a tar of a dump in pg_dump's custom format, a manifest and their checksums. It holds all the data: keep
    it as safe as the database. The command `restore` reads it.

    Exit codes: 0 the backup is on the disk; 2 a wrong setting or option; 4 the database cannot be reached; 5 there is
    no backup, because pg_dump is too old or failed, or FILE exists or cannot be written; 130 and 143
    stopped by Ctrl-C or SIGTERM, which leaves nothing behind.
    """
    with show_progress(as_json) as report:
        done = library.backup(current_config(), file, report)
    if as_json:
        print_json(WrittenBackup(file=str(done.path), **msgspec.structs.asdict(done.manifest)))
        return
    manifest = done.manifest
    click.echo(done.path)
    click.echo(
        f"{manifest.database} at revision {', '.join(manifest.revisions) or '(none)'}: {len(manifest.rows)} tables,"
        f" {sum(manifest.rows.values()):,} rows, {manifest.size:,} bytes.",
        err=True,
    )
