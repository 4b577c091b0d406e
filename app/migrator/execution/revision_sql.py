"""The plain SQL of one revision, as a person reads it: without the guards of a script that somebody runs."""

from collections.abc import Iterable

from alembic.script import Script

from ...postgres.errors import MigrationFailedError
from ..sql.offline import Direction, run_offline


def revision_sql(scripts: Iterable[Script], direction: Direction) -> str:
    """Return what the revisions send to the database, each below a comment that names it.

    Raises MigrationFailedError for a revision that looks at the database, whose SQL is known only where it runs.
    """
    return "\n".join(f"{_heading(script, direction)}\n{_sql_of(script, direction).strip()}\n" for script in scripts)


def _heading(script: Script, direction: Direction) -> str:
    title = "its downgrade" if direction == "downgrade" else " ".join(script.doc.split())
    return f"-- {script.revision}: {title}"


def _sql_of(script: Script, direction: Direction) -> str:
    found = run_offline(script, direction)
    if found.sql is None:
        line = f", line {found.file_line()}" if found.file_line() else ""
        raise MigrationFailedError(
            f"Revision {script.revision} ({script.path}{line}) has no plain SQL: it looks at the database, or"
            f" fails without one ({found.reason}). What it does is known only where it runs."
        )
    return found.sql or "-- nothing"
