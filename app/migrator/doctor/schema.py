"""Whether the schema of a database at head is the one of the models."""

from collections.abc import Iterator

from sqlalchemy import Connection

from app.migrator.doctor.finding import Finding, Subject, note, ok, warning
from app.migrator.drift.comparison import DriftUnknownError, differences
from app.migrator.drift.difference import shown
from app.migrator.revisions.state import read_state
from app.models import metadata
from app.postgres.errors import MigrationFailedError


def drift(connection: Connection, subject: Subject) -> Iterator[Finding]:
    """Compare with the models, in a transaction that is rolled back; before head a difference says nothing."""
    try:
        state = read_state(connection, subject.directory, metadata) if subject.directory else None
    except MigrationFailedError:
        state = None
    if state is None or not state.is_managed or state.pending or state.unknown:
        yield note("Not compared with the models: the database is not at the head of this release.")
        return
    # The comparison creates the models' tables for a moment, which a read-only transaction cannot.
    connection.rollback()
    try:
        found = differences(connection, metadata)
    except DriftUnknownError as exc:
        yield note(f"Not compared with the models: {exc}")
        return
    if not found:
        yield ok("The schema is the one of the models.")
        return
    yield warning(
        f"The schema differs from the models: {shown(found)}.",
        "Somebody has changed it by hand. What the release relies on may not hold: a trigger that does not fire, for"
        " instance, leaves the counts of tasks wrong. The command prints each difference and the SQL that mends it.",
        "litestar database drift",
    )
