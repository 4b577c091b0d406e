"""The checks in the script of `--sql`, as SQL: an online run makes them itself, and decides alike."""

from collections.abc import Iterable

from alembic.script import Script

from ..backfill.definition import Backfill
from ..command_names import command
from ..engine_tables import BACKFILL_TABLE, version_table
from ..locking.migration_lock import HELD_BY_ME, LOCK_KEY
from ..revisions.baselines import made_by
from ..revisions.requirements import Requirement, requirement_as_sql
from ..sql.quoting import dollar_quoted, quote, quote_literal

_TAG = "$plimsoll$"
_CHECK = "pg_temp.plimsoll_check"


def _refuse(message: str, hint: str) -> str:
    """Return the statement that raises an error; `message` is an SQL expression, `hint` a text."""
    return f"RAISE EXCEPTION USING MESSAGE = {message}, HINT = {quote_literal(hint)}"


def take_lock() -> str:
    """Return the statement that takes the lock for the session, or refuses the script."""
    refuse = _refuse(
        quote_literal("another schema change is running in this database"),
        f"Wait for its end ({command('doctor')} shows it), then run the whole script again.",
    )
    return f"""DO {_TAG} BEGIN
    IF NOT pg_try_advisory_lock({LOCK_KEY}) THEN
        {refuse};
    END IF;
END {_TAG}"""


def release_lock() -> str:
    """Return the statement that gives back the lock of the session."""
    return f"DO {_TAG} BEGIN PERFORM pg_advisory_unlock({LOCK_KEY}); END {_TAG}"


def define_check() -> str:
    """Return the procedure that each transaction calls first.

    Its argument `makes_table` says that Alembic's next statement creates the version table.
    """
    not_held = _refuse(
        quote_literal("this session does not hold the lock for schema changes"),
        "Run the whole script in one session, and not through a pooler that gives each transaction another one.",
    )
    elsewhere = _refuse(
        "format('the script goes on from %s, but the database is at %s', coalesce(wanted, 'base'),"
        " coalesce(found, 'base'))",
        "Nothing of this transaction was done. Print a script for the range FROM:TO that is wanted.",
    )
    return f"""CREATE OR REPLACE PROCEDURE {_CHECK}(wanted text, makes_table boolean) LANGUAGE plpgsql AS {_TAG}
DECLARE found text;
BEGIN
    IF NOT {HELD_BY_ME} THEN
        {not_held};
    END IF;
    IF to_regclass('{version_table()}') IS NOT NULL THEN
        found := (SELECT string_agg(version_num, ', ' ORDER BY version_num COLLATE "C") FROM {version_table()});
    END IF;
    IF found IS DISTINCT FROM wanted THEN
        {elsewhere};
    END IF;
    IF makes_table AND to_regclass('{version_table()}') IS NOT NULL THEN
        -- Empty: a downgrade to base leaves it.
        DROP TABLE {version_table()};
    END IF;
END {_TAG}"""  # noqa: S608 - constants


def call_check(heads: Iterable[str], *, makes_table: bool) -> str:
    """Return the call of the procedure, for a transaction that goes on from these revisions."""
    wanted = ", ".join(sorted(heads))
    return f"CALL {_CHECK}({quote_literal(wanted) if wanted else 'NULL'}, {str(makes_table).lower()})"


def require_valid(index: str) -> str:
    """Return the check that an index, which was built outside of a transaction, is there and valid."""
    refuse = _refuse(
        f"format('the index %s was not built', {quote_literal(index)})",
        "Drop it (DROP INDEX CONCURRENTLY), and print the script again from this revision on.",
    )
    return f"""DO {_TAG} BEGIN
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass({quote_literal(index)}) AND indisvalid) THEN
        {refuse};
    END IF;
END {_TAG}"""


def require_finished(script: Script, backfill: Backfill) -> str:
    """Return the check that a backfill is finished, which decides as `require_finished` in backfill/status.py does."""
    left = f"SELECT EXISTS (SELECT FROM {quote(backfill.table)} WHERE {backfill.where or 'true'}\n)"  # noqa: S608
    is_done = (
        "false"
        if backfill.where
        else f"EXISTS (SELECT FROM {BACKFILL_TABLE} WHERE name = '{backfill.name}' AND outcome = 'done')"
    )
    refuse = _refuse(
        quote_literal(f"revision {script.revision} requires the backfill {backfill.name}, which is not finished"),
        f"Run: {command('backfill')} {backfill.name}",
    )
    # Executed from a text, so that the block's names are none of the query's.
    return _block(f""" DECLARE is_done boolean := false; has_rows_left boolean := false; BEGIN
    IF to_regclass('{BACKFILL_TABLE}') IS NOT NULL THEN
        is_done := {is_done};
    END IF;
    IF NOT is_done THEN
        EXECUTE {quote_literal(left)} INTO has_rows_left;
    END IF;
    IF has_rows_left THEN
        {refuse};
    END IF;
END """)


def require_true(script: Script, requirement: Requirement) -> str:
    """Return the check of what a revision says must be true."""

    def refuse(reason: str) -> str:
        return _refuse(
            quote_literal(f"revision {script.revision} is refused: {reason}"),
            "Nothing of this transaction was done. When that is put right, run the script again from this revision on.",
        )

    return _block(requirement_as_sql(requirement, refuse))


def _block(code: str) -> str:
    return f"DO {dollar_quoted(code)}"


def forget_backfills(script: Script) -> str:
    """Return the statement that forgets how far the backfills after a reverted revision were."""
    reverted = ", ".join(map(quote_literal, made_by(script)))
    return f"""DO {_TAG} BEGIN
    IF to_regclass('{BACKFILL_TABLE}') IS NOT NULL THEN
        DELETE FROM {BACKFILL_TABLE} WHERE after_revision IN ({reverted});
    END IF;
END {_TAG}"""  # noqa: S608 - a constant, and quoted
