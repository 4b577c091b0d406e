"""Upgrading and downgrading; plain functions, each blocking until it is done."""

from alembic import command
from alembic.util import CommandError

from app.core.config import Settings
from app.db.errors import MigrationFailedError
from app.db.migrations.config import alembic_config, scripts


def upgrade(settings: Settings, revision: str = "head", *, sql: bool = False) -> None:
    """Applies the revisions up to `revision`, or prints their SQL on standard output.

    Not to be called in a thread that runs an event loop. Raises MigrationFailedError and DatabaseUnreachableError.
    """
    scripts(settings)
    try:
        command.upgrade(alembic_config(settings), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(str(exc)) from exc


def downgrade(settings: Settings, revision: str, *, sql: bool = False) -> None:
    """Reverts to `revision`, or prints the SQL for it (then `revision` is a range FROM:TO); raises as `upgrade`."""
    scripts(settings)
    try:
        command.downgrade(alembic_config(settings), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(str(exc)) from exc
