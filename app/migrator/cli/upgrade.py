"""The command `upgrade`."""

import sys
from pathlib import Path

import rich_click as click
import structlog

from ..backfill.status import names_to_run, read_backfills
from ..backup.backup import backup as take_backup
from ..command_names import command
from ..config import MigratorConfig
from ..execution import commands
from ..execution.baseline_steps import replaced_by_baselines
from ..execution.commands import Plan
from ..locking.table_locks import TableLockedError
from ..phase import Phase
from ..revisions.loading import phase_of
from .options import as_json, confirm, current_config, no_prompt, require_terminal
from .progress import show_progress

log = structlog.stdlib.get_logger(__name__)


@click.command()
@click.argument("revision", default="head")
@click.option(
    "--phase",
    type=click.Choice([phase.value for phase in Phase]),
    default=Phase.CONTRACT.value,
    show_default=True,
    help="expand: stop before the first revision that the previous release does not work with.",
)
@click.option(
    "--backup", is_flag=True, help="Take a backup first, in the working directory, if there is anything to apply."
)
@click.option("--backup-to", type=click.Path(path_type=Path), help="The same, to this file or directory.")
@click.option("--sql", is_flag=True, help="Print the SQL on standard output and connect to nothing.")
@click.option("--dry-run", is_flag=True, help="Show what would run here, what it locks and loses; change nothing.")
@click.option(
    "--execute-and-roll-back",
    "executes",
    is_flag=True,
    help="With --dry-run: also run it in a transaction that is rolled back, and say how long each revision took.",
)
@click.option("--accept-locks", is_flag=True, help="With --execute-and-roll-back: do not ask, although traffic waits.")
@as_json
@no_prompt
def upgrade(
    revision: str,
    phase: str,
    backup: bool,
    backup_to: Path | None,
    sql: bool,
    dry_run: bool,
    executes: bool,
    accept_locks: bool,
    as_json: bool,
    no_prompt: bool,
) -> None:
    """Apply the revisions up to REVISION (default: head), one at a time.

    On a terminal it names them and the database, and asks. A revision that meets a table in use is rolled back and
    tried again, so that traffic does not queue behind it; one that fails leaves nothing behind. With --sql: for an
    empty database, unless REVISION is a range FROM:TO. With --dry-run it asks nothing, and ends with the exit code that
    the upgrade would end with, as far as that is known.

    Exit codes: 0 applied or nothing to do; 1 declined, or somebody else has changed the database meanwhile; 2 a wrong
    setting or option; 3 a revision failed and was rolled back, or is not known; 4 the database cannot be reached; 5
    there is no backup, so that nothing was applied.
    """
    config = current_config()
    if (as_json or executes) and not dry_run:
        raise click.UsageError("--json and --execute-and-roll-back go with --dry-run.")
    if dry_run:
        if sql or backup or backup_to is not None:
            raise click.UsageError("--dry-run changes nothing: it cannot be combined with --sql or a backup.")
        # Imported here because no upgrade needs it.
        from .dry_run import DryRunOptions, run_dry_run  # noqa: PLC0415

        options = DryRunOptions(executes, accept_locks, as_json, no_prompt)
        sys.exit(run_dry_run(config, revision, Phase(phase), options))
    asks, backs_up = not sql and not no_prompt, backup or backup_to is not None
    if sql and backs_up:
        raise click.UsageError("--sql connects to nothing: it cannot be combined with --backup or --backup-to.")
    if asks:
        require_terminal("--no-prompt")
    plan = commands.plan(config, revision, Phase(phase)) if asks or backs_up else None
    if plan and asks:
        _confirm_upgrade(plan)
    if plan and backs_up:
        _back_up(config, plan, backup_to)
    agreed = None
    if plan:
        agreed = {*(script.revision for script in plan.revisions), *replaced_by_baselines(plan.revisions)}
    commands.upgrade(config, revision, sql=sql, phase=Phase(phase), agreed=agreed)
    if not sql:
        _log_backfills_to_run(config)


def _log_backfills_to_run(config: MigratorConfig) -> None:
    try:
        names = names_to_run(read_backfills(config))
    except TableLockedError as exc:
        # The upgrade itself has succeeded.
        log.warning("whether backfills are to be run is not known", reason=str(exc))
        return
    if names:
        next_step = f"once no older release serves: `{command('backfill')} --all`"
        log.info(next_step, backfills=names)


def _confirm_upgrade(plan: Plan) -> None:
    # No question where nothing is to be applied.
    if plan.revisions:
        click.echo(f"Pending in the database {plan.database}:", err=True)
        for script in plan.revisions:
            click.echo(f"  {script.revision}  {phase_of(script):8}  {script.doc}", err=True)
        for loss in plan.losses:
            click.echo(loss.sentence, err=True)
        confirm(f"Apply {len(plan.revisions)} revision(s) to it?", no_prompt=False)


def _back_up(config: MigratorConfig, plan: Plan, file: Path | None) -> None:
    if not plan.revisions:
        click.echo("Nothing is to be applied: no backup was taken.", err=True)
        return
    with show_progress(as_json=False) as report:
        done = take_backup(config, file, report)
    click.echo(f"Backup: {done.path} (`{command('restore')} --replace {done.path}` goes back to it)", err=True)
