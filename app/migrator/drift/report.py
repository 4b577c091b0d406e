"""The comparison of a database with this release's models, and its script of SQL."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ...postgres.url.database_url import DatabaseURL
from ..config import MigratorConfig
from ..readonly_connection import with_readonly_connection
from ..revisions.loading import load_revisions
from ..revisions.schema_state import read_state
from ..status import EXIT_CODES, Verdict
from .difference import Difference, Order, Statement, script
from .project_differences import compare_with_project

LOSES_DATA = "-- loses data: "
BLOCKED = "-- blocked: "
# Who waits for a lock makes everybody after it wait. CONCURRENTLY does not, and has to wait for others without limit.
_SHORT, _NONE = "2s", "0"


@dataclass(frozen=True)
class Drift:
    """How a database differs from the models.

    `pending` are this release's revisions that the database lacks, `unknown` those that this release lacks: both are
    reasons for differences. `not_compared` says what was left out, and why. `script` has the statements of all
    differences, in the order to run them.
    """

    database: str
    server: str
    pending: tuple[str, ...]
    unknown: tuple[str, ...]
    differences: tuple[Difference, ...]
    not_compared: str
    script: tuple[Statement, ...]

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[Verdict.DRIFTED] if self.differences else EXIT_CODES[Verdict.UP_TO_DATE]


def read_drift(config: MigratorConfig) -> Drift:
    """Compare the settings' database with the models.

    Raises DriftUnknownError, DatabaseUnreachableError and MigrationFailedError.
    """
    directory = load_revisions(config)

    def read(connection: Connection, url: DatabaseURL) -> Drift:
        state = read_state(connection, directory, config.metadata)
        server = connection.scalar(text("SELECT 'PostgreSQL ' || current_setting('server_version')"))
        connection.rollback()
        found = compare_with_project(connection, config, directory)
        return Drift(
            database=url.location,
            server=str(server),
            # If Alembic does not manage the database, its tables may be those of any revision.
            pending=tuple(script.revision for script in state.pending) if state.is_managed else (),
            unknown=state.unknown,
            differences=tuple(found.differences),
            not_compared=found.describe_not_compared(),
            script=tuple(script(found.differences)),
        )

    return with_readonly_connection(config, read)


def as_sql(statements: tuple[Statement, ...]) -> Iterator[str]:
    """Yield lines for psql; a statement that loses data is a comment, which somebody has to uncomment.

    A statement that the server would refuse is a comment, too, after a line that says what is in the way.
    """
    limit = None
    if any(statement.order is Order.FUNCTIONS for statement in statements):
        # A function may name what is created after it.
        yield "SET check_function_bodies = off;"
    for statement in statements:
        if statement.in_the_way:
            yield f"-- in the way of the next statement: {', '.join(statement.in_the_way)}"
            yield from _commented(BLOCKED, statement)
            continue
        wanted = _NONE if " CONCURRENTLY " in statement.sql else _SHORT
        if wanted != limit:
            limit = wanted
            yield f"SET lock_timeout = '{limit}';"
        yield from _commented(LOSES_DATA if statement.loses_data else "", statement)


def _commented(mark: str, statement: Statement) -> Iterator[str]:
    yield from (f"{mark}{line}" for line in f"{statement.sql};".split("\n"))
