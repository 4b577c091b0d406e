"""`litestar database downgrade`."""

import rich_click as click

from app.db.migrations import runner
from app.db.migrations.cli.options import confirm, no_prompt


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("revision", default="-1")
@click.option("--sql", is_flag=True, help="Print the SQL on standard output and connect to nothing.")
@no_prompt
def downgrade(ctx: click.Context, revision: str, sql: bool, no_prompt: bool) -> None:
    """Revert to REVISION (default: -1, one step back). With --sql: a range FROM:TO.

    A downgrade can lose data: prefer restoring a backup or a new revision that mends (migrations/README.md).
    Exit codes as of `upgrade`.
    """
    if not sql:
        confirm(f"Downgrade the database to {revision}? Data may be lost.", no_prompt)
    runner.downgrade(ctx.obj["settings"], revision, sql=sql)
