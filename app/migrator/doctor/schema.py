"""Whether the schema of a database at head is that of the models."""

from collections.abc import Iterator

from sqlalchemy import Connection

from ...postgres.errors import MigrationFailedError
from ..command_names import command
from ..drift.difference import shown
from ..drift.scratch_schema import DriftUnknownError, differences
from ..revisions.schema_state import read_state
from .finding import CheckContext, Finding, note, ok, warning


def drift(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    """Compare with the models, in a transaction that is rolled back, if the database is at head."""
    try:
        state = read_state(connection, context.directory, context.config.metadata) if context.directory else None
    except MigrationFailedError:
        state = None
    if state is None or not state.is_managed or state.pending or state.unknown:
        yield note("Not compared with the models: the database is not at the head of this release.")
        return
    # The comparison creates the models' tables for a moment, which a read-only transaction cannot.
    connection.rollback()
    try:
        found = differences(connection, context.config.metadata)
    except DriftUnknownError as exc:
        yield note(f"Not compared with the models: {exc}")
        return
    if not found:
        yield ok("The schema is the one of the models.")
        return
    breaks = context.config.hints.drift_breaks
    yield warning(
        f"The schema differs from the models: {shown(found)}.",
        "Somebody has changed it by hand. What the release relies on may not hold"
        f"{f': {breaks}' if breaks else ''}. The command prints each difference and the SQL that mends it.",
        f"{command('drift')}",
    )
