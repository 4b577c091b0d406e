"""The command `restore`."""

from contextlib import ExitStack
from pathlib import Path

import rich_click as click

from ..backup import restore as library
from ..backup.archive import Archive, open_archive
from ..backup.manifest import Manifest
from ..command_names import command
from ..config import MigratorConfig
from .options import as_json, confirm, current_config, no_prompt, require_terminal
from .progress import show_progress
from .rows import print_json


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Drop what the database holds, in favour of the backup; asks before.")
@click.option("--while-connected", is_flag=True, help="With --replace: go on although others are connected.")
@no_prompt
@as_json
def restore(file: Path, replace: bool, while_connected: bool, no_prompt: bool, as_json: bool) -> None:
    """Put the backup in FILE into the database, which must be empty; count every table; and only then commit.

    First the whole file is read: one that is truncated, altered or no backup is refused before the database is touched.
    All else is one transaction: if anything fails, or the rows or the revision are not those of the manifest, the
    database stays as it was. Nobody can migrate meanwhile. With --json, prints the manifest of what was restored.

    The role of the connection will own everything; privileges of other roles are not restored, except for default ones
    of the database.

    Exit codes: 0 restored and verified; 1 declined; 2 a wrong setting or option; 3 a migration is
    running, or the revisions cannot be read; 4 the database cannot be reached; 5 the file is refused, the database is
    not empty, or the restore failed: nothing was changed; 130 and 143 stopped by Ctrl-C or SIGTERM: the
    same.
    """
    config = current_config()
    if replace and not no_prompt:
        require_terminal("--no-prompt")
    with ExitStack() as opened:
        with show_progress(as_json) as report:
            archive = opened.enter_context(open_archive(file, report))
        target = _confirm_replacement(config, archive, no_prompt) if replace else None
        with show_progress(as_json) as report:
            done = library.restore(
                config, archive, replace=replace, while_connected=while_connected, shown=target, report=report
            )
    if as_json:
        print_json(done.manifest)
    _print_result(done, config.release)


def _confirm_replacement(config: MigratorConfig, archive: Archive, no_prompt: bool) -> library.Target:
    target = library.read_target(config)
    if target.obstacles:
        click.echo(f"To be dropped from {target}", err=True)
        confirm(f"Replace all of that in {target.location} with {_title_of(archive.manifest)}?", no_prompt)
    return target


def _release(manifest: Manifest) -> str:
    """Return the release in brackets; nothing for a project that names none."""
    return f" (release {manifest.release})" if manifest.release else ""


def _title_of(manifest: Manifest) -> str:
    return f"{manifest.database} of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC{_release(manifest)}"


def _print_result(done: library.Restored, release: str) -> None:
    manifest = done.manifest
    revision = ", ".join(manifest.revisions) or "(none)"
    click.echo(
        f"Restored {_title_of(manifest)} into {done.location}: {len(manifest.rows)} tables,"
        f" {sum(manifest.rows.values()):,} rows, all counted, at revision {revision}.",
        err=True,
    )
    if done.deleted:
        click.secho(f"WARNING: {done.deleted}", err=True, fg="red")
    elif done.unknown:
        releases = f" ({release}); the backup was made by {manifest.release}" if release and manifest.release else ""
        click.secho(
            f"WARNING: revision {', '.join(done.unknown)} is of a newer release than this one{releases}. Deploy that"
            f" release; do not start this one before `{command('status')}` says that the schema still serves it.",
            err=True,
            fg="red",
        )
    elif done.is_behind:
        click.echo(f"The backup is older than this release. Next: {command('upgrade')}", err=True)
    else:
        click.echo(f"Next: {command('status')}", err=True)
