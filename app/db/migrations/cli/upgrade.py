"""`litestar database upgrade`."""

import rich_click as click

from app.core.config import Phase
from app.db.migrations import runner
from app.db.migrations.cli.options import confirm, no_prompt


@click.command()
@click.argument("revision", default="head")
@click.option(
    "--phase",
    type=click.Choice([phase.value for phase in Phase]),
    default=Phase.CONTRACT.value,
    show_default=True,
    help="expand: stop before the first revision that the previous release does not work with.",
)
@click.option("--sql", is_flag=True, help="Print the SQL on standard output and connect to nothing.")
@no_prompt
def upgrade(ctx: click.Context, revision: str, phase: str, sql: bool, no_prompt: bool) -> None:
    """Apply the revisions up to REVISION (default: head), one at a time and never in the way of traffic.

    A revision that meets a table in use is rolled back and tried again; one that fails leaves nothing behind.

    Exit codes: 0 applied or nothing to do; 1 declined; 2 a wrong setting or option; 3 a revision failed and was rolled
    back, or is not known; 4 the database cannot be reached.
    """
    if not sql:
        confirm(f"Upgrade the database to {revision}?", no_prompt)
    runner.upgrade(ctx.obj["settings"], revision, sql=sql, phase=Phase(phase))
