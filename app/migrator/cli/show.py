"""The command `show`."""

import rich_click as click
from alembic import command as alembic_command

from ..execution.revision_sql import revision_sql
from ..revisions.listing import read_revisions
from ..revisions.loading import load_revisions
from .options import as_json, current_config
from .revisions import text_config
from .rows import print_json


@click.command()
@click.argument("revision")
@click.option("--sql", is_flag=True, help="Print the plain SQL of its upgrade; connects to nothing.")
@click.option("--downgrade", is_flag=True, help="With --sql: of its downgrade.")
@as_json
def show(revision: str, sql: bool, downgrade: bool, as_json: bool) -> None:
    """Show the revision REVISION: an id or the beginning of one, `head`, or `current`, which the database has.

    With --sql: what it sends to the database, to be read. `upgrade FROM:TO --sql` prints a script that can be run.

    Exit codes: 0; 2 a wrong setting or option; 3 the revision is not known, or has no SQL without a database; 4 the
    database cannot be reached.
    """
    if downgrade and not sql:
        raise click.UsageError("--downgrade goes with --sql.")
    if sql and as_json:
        raise click.UsageError("Either --sql, or --json.")
    config = current_config()
    if as_json:
        print_json(read_revisions(config, revision))
        return
    if not sql:
        alembic_command.show(text_config(), revision)
        return
    scripts = [script for script in load_revisions(config).get_revisions(revision) if script]
    click.echo(revision_sql(scripts, "downgrade" if downgrade else "upgrade"), nl=False)
