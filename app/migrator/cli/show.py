"""The command `show`."""

import sys

import rich_click as click
from alembic import command as alembic_command

from ..execution.revision_sql import revision_sql
from ..revisions.alembic_config import alembic_config
from ..revisions.loading import load_revisions
from .options import current_config


@click.command()
@click.argument("revision")
@click.option("--sql", is_flag=True, help="Print the plain SQL of its upgrade; connects to nothing.")
@click.option("--downgrade", is_flag=True, help="With --sql: of its downgrade.")
def show(revision: str, sql: bool, downgrade: bool) -> None:
    """Show the revision REVISION: an id or the beginning of one, `head`, or `current`, which the database has.

    With --sql: what it sends to the database, to be read. `upgrade FROM:TO --sql` prints a script that can be run.

    Exit codes: 0; 2 a wrong setting or option; 3 the revision is not known, or has no SQL without a database; 4 the
    database cannot be reached.
    """
    if downgrade and not sql:
        raise click.UsageError("--downgrade goes with --sql.")
    config = current_config()
    if not sql:
        alembic = alembic_config(config)
        # Otherwise it is the stream that was there when Alembic was imported.
        alembic.stdout = sys.stdout
        alembic_command.show(alembic, revision)
        return
    scripts = [script for script in load_revisions(config).get_revisions(revision) if script]
    click.echo(revision_sql(scripts, "downgrade" if downgrade else "upgrade"), nl=False)
