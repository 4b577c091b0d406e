"""What a revision or a backfill requires of the database before anything of it is done: `requires` in its file.

    requires = "SELECT NOT EXISTS (SELECT FROM tasks WHERE effort < 0)", "an effort is negative: correct it"

A pair of a query and a message; several are a tuple of pairs. The message is shown where the query does not give true.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from alembic.script import Script
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...postgres.connect import is_lost
from ...postgres.errors import MigrationFailedError, error_summary, sqlstate_of
from ...postgres.sqlstate import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, READ_ONLY_SQL_TRANSACTION
from ..sql.quoting import escape_colons, quote_literal
from ..sql.tokens import UnreadableSqlError, statements_of

_FORM = 'requires is no pair of a query and a message, such as ("SELECT …", "what is wrong"), nor a tuple of such pairs'
_NO_TRUTH_VALUE = "gives no single truth value"
_FIRST_WORDS = frozenset({"SELECT", "WITH"})
# The attempt waits too long for a table, and is tried again.
_TRIED_AGAIN = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED})
# It locks no more than every reader does, so it may read a large table for as long as that takes.
_READ_ONLY = text("SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', '0', true)")


class Requirement(NamedTuple):
    """A query that must give true, and what is wrong where it does not."""

    query: str
    message: str


class RequirementError(MigrationFailedError):
    """The database is not as a revision or a backfill requires, or nobody can tell; nothing of it was done."""


def parse_requirements(value: object) -> tuple[Requirement, ...]:
    """Return what a file's `requires` says. Raises ValueError, which says what is wrong with it."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(_FORM)  # noqa: TRY004 - as a field of Backfill is checked
    pairs = [value] if any(isinstance(part, str) for part in value) else value
    return tuple(_parse_pair(pair) for pair in pairs)


def requirements_of(script: Script) -> tuple[Requirement, ...]:
    """Return what the revision requires before it is applied. Raises MigrationFailedError for what cannot be read."""
    try:
        return parse_requirements(getattr(script.module, "requires", ()))
    except ValueError as exc:
        raise MigrationFailedError(f"Revision {script.revision} ({script.path}): {exc}.") from exc


def require(connection: Connection, requirements: Sequence[Requirement], subject: str) -> None:
    """Raise RequirementError, which says that `subject` is refused and why, unless each query gives true.

    They run in the connection's transaction, and can change nothing. A table in use, or a lost connection, is raised as
    the driver raises it.
    """
    for requirement in requirements:
        if reason := _reason_unmet(connection, requirement):
            raise RequirementError(f"{subject} is refused: {reason}")


def requirement_as_sql(requirement: Requirement, refuse: Callable[[str], str]) -> str:
    """Return the body of a PL/pgSQL block, which decides as `require` does: unless the query gives true, it refuses.

    `refuse` returns the statement that refuses for a reason.
    """
    # Of a scalar subquery, which is an error where it gives several columns or rows. Executed from a text: the names of
    # the block are none of the query's, and nothing casts what it gives.
    query = (
        f"SELECT pg_typeof(answer), answer::text FROM (SELECT (\n{requirement.query}\n) AS answer OFFSET 0) AS asked"  # noqa: S608 - the project's own
    )
    # The inner block is rolled back: otherwise all that follows could only read, and the query's locks would stay.
    return f"""
DECLARE
    its_type regtype;
    its_answer text;
BEGIN
    BEGIN
        SET LOCAL transaction_read_only = on;
        EXECUTE {quote_literal(query)} INTO its_type, its_answer;
        RAISE EXCEPTION USING ERRCODE = 'PLIMS';
    EXCEPTION WHEN SQLSTATE 'PLIMS' THEN
        NULL;
    END;
    IF its_type <> 'boolean'::regtype THEN
        {refuse(_unchecked(requirement, _NO_TRUTH_VALUE))};
    ELSIF its_answer IS DISTINCT FROM 'true' THEN
        {refuse(requirement.message)};
    END IF;
END """


def _parse_pair(pair: object) -> Requirement:
    if not isinstance(pair, Sequence) or len(pair) != len(Requirement._fields):
        raise ValueError(_FORM)
    query, message = pair
    if not (isinstance(query, str) and isinstance(message, str) and message.strip()):
        raise ValueError(_FORM)
    try:
        statements = list(statements_of(query))
    except UnreadableSqlError as exc:
        raise ValueError(f"a query in requires cannot be read: {exc}") from exc
    if len(statements) != 1 or statements[0].head not in _FIRST_WORDS:
        raise ValueError("a query in requires is no single SELECT")
    return Requirement(statements[0].text, " ".join(message.split()))


def _reason_unmet(connection: Connection, requirement: Requirement) -> str | None:
    nested = connection.begin_nested()
    try:
        connection.execute(_READ_ONLY)
        rows = connection.execute(text(escape_colons(requirement.query))).fetchmany(2)
    except DBAPIError as exc:
        if is_lost(exc) or sqlstate_of(exc) in _TRIED_AGAIN:
            raise
        writes = sqlstate_of(exc) == READ_ONLY_SQL_TRANSACTION
        return _unchecked(requirement, "changes something" if writes else f"failed: {error_summary(exc)}")
    finally:
        # Not released: all that follows could only read, and the query's locks would stay.
        nested.rollback()
    if len(rows) > 1 or any(len(row) != 1 or not isinstance(row[0], bool | None) for row in rows):
        return _unchecked(requirement, _NO_TRUTH_VALUE)
    return None if any(row[0] for row in rows) else requirement.message


def _unchecked(requirement: Requirement, why: str) -> str:
    return f"what it requires ({requirement.message}) could not be checked, since its query {why}"
