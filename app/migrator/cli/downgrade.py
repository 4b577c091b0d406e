"""The command `downgrade`."""

import rich_click as click

from ..execution import commands
from .options import confirm, current_config, no_prompt, require_terminal


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("revision", default="-1")
@click.option("--accept-data-loss", is_flag=True, help="Go on although what is listed will be lost.")
@click.option("--sql", is_flag=True, help="Print the SQL on standard output and connect to nothing.")
@no_prompt
def downgrade(revision: str, accept_data_loss: bool, sql: bool, no_prompt: bool) -> None:
    """Revert to REVISION (default: -1, one step back). With --sql: a range FROM:TO.

    Says which tables and columns would be lost, and how many rows they hold. Prefer restoring a backup, or a new
    revision that mends. Without --accept-data-loss it is refused, unless the project allows the loss in general.

    Exit codes: as of `upgrade`; 1 also when it is refused.
    """
    config = current_config()
    if not sql and not no_prompt:
        require_terminal("--no-prompt")
    agreed = None
    if not sql:
        agreed, losses = commands.preview_downgrade(config, revision)
        # Otherwise it is refused, so that there is nothing to ask.
        if config.allows_data_loss or accept_data_loss or not losses:
            for loss in losses:
                click.echo(loss.sentence, err=True)
            confirm(f"Downgrade the database {commands.database_location(config)} to {revision}?", no_prompt)
    commands.downgrade(config, revision, sql=sql, accept_data_loss=accept_data_loss, agreed=agreed)
