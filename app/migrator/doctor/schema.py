"""What is wrong with the schema: a difference from the models, broken indexes and constraints, missing partitions."""

import re
from collections.abc import Iterator

from sqlalchemy import Connection, text

from ...postgres.errors import MigrationFailedError
from ..command_names import command, upgrade_command
from ..drift.difference import shown
from ..drift.project_differences import compare_with_project
from ..drift.scratch_schema import DriftUnknownError
from ..partitions.months import add_months
from ..partitions.state import PartitionState, read_partitions
from ..revisions.schema_state import read_state
from ..sql.quoting import quote
from .finding import CheckContext, Finding, note, ok, problem, warning

# What REINDEX CONCURRENTLY leaves behind when it fails.
_LEFTOVER = re.compile(r"_cc(new|old)\d*$")
USER_SCHEMAS = "nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_%'"
_INVALID = text(
    f"""
    SELECT nspname AS schema, index.relname AS name, owner.relname AS table_name,
           EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = index.oid) AS building
    FROM pg_index
    JOIN pg_class AS index ON index.oid = indexrelid
    JOIN pg_class AS owner ON owner.oid = indrelid
    JOIN pg_namespace ON pg_namespace.oid = index.relnamespace
    WHERE NOT indisvalid AND index.relkind = 'i' AND {USER_SCHEMAS} ORDER BY 1, 2
    """  # noqa: S608 - a constant
)
_NOT_VALID = text(
    f"""
    SELECT nspname AS schema, conname AS name, relname AS table_name
    FROM pg_constraint
    JOIN pg_class ON pg_class.oid = conrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE NOT convalidated AND {USER_SCHEMAS} ORDER BY 1, 3, 2
    """  # noqa: S608 - a constant
)
_HALF_DETACHED = text(
    f"""
    SELECT nspname AS schema, part.relname AS name, format('%I.%I', parent_schema, parent.relname) AS parent
    FROM pg_inherits
    JOIN pg_class AS part ON part.oid = inhrelid
    JOIN pg_namespace ON pg_namespace.oid = part.relnamespace
    JOIN pg_class AS parent ON parent.oid = inhparent
    JOIN LATERAL (SELECT nspname AS parent_schema FROM pg_namespace WHERE oid = parent.relnamespace) AS their ON true
    WHERE inhdetachpending AND {USER_SCHEMAS} ORDER BY 1, 2
    """  # noqa: S608 - a constant
)


def drift(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    """Compare with the models, in a transaction that is rolled back, if the database is at head."""
    try:
        state = read_state(connection, context.directory, context.config.metadata) if context.directory else None
    except MigrationFailedError:
        state = None
    if state is None or context.directory is None or not state.is_managed or state.pending or state.unknown:
        yield note("Not compared with the models: the database is not at the head of this release.")
        return
    # The comparison creates the models' tables for a moment, which a read-only transaction cannot.
    connection.rollback()
    try:
        compared = compare_with_project(connection, context.config, context.directory)
    except DriftUnknownError as exc:
        yield note(f"Not compared with the models: {exc}")
        return
    found = compared.differences
    if compared.not_compared:
        yield note(compared.describe_not_compared())
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


def indexes(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    rows = connection.execute(_INVALID).all()
    if not rows:
        yield ok("Every index is valid.")
        return
    behind = (
        context.directory is not None and read_state(connection, context.directory, context.config.metadata).is_behind
    )
    declared = {index.name for table in context.config.metadata.tables.values() for index in table.indexes}
    for row in rows:
        name = f"{quote(row.schema)}.{quote(row.name)}"
        if row.building:
            yield note(f"The index {name} is being built.", "It is invalid until that is done.")
            continue
        mend = f"DROP INDEX CONCURRENTLY {name}"
        if row.name in declared and not behind and not _LEFTOVER.search(row.name):
            mend = f"REINDEX INDEX CONCURRENTLY {name}"
        yield warning(
            f"The index {name} on {row.table_name} is invalid: a statement CONCURRENTLY has failed or was killed.",
            "No query uses it, but every write keeps it up to date. An upgrade mends those of pending revisions.",
            upgrade_command() if row.name in declared and behind else context.psql(mend),
        )


def constraints(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    rows = connection.execute(_NOT_VALID).all()
    if not rows:
        yield ok("Every constraint is validated.")
    for row in rows:
        table = f"{quote(row.schema)}.{quote(row.table_name)}"
        yield note(
            f"The constraint {row.name} on {table} is NOT VALID.",
            "It holds for new rows; old ones were never checked. Between an expand and its contract that is planned.",
            context.psql(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quote(row.name)}"),
        )


def partitions(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    found = [*_half_detached(connection, context)]
    tables = read_partitions(connection, context.config)
    found += [finding for state in tables for finding in _partition_findings(state)]
    names = ", ".join(state.table for state in tables)
    yield from found or [ok(f"The partitions to come are there ({names})." if tables else "No table is partitioned.")]


def _half_detached(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    for row in connection.execute(_HALF_DETACHED):
        name = f"{quote(row.schema)}.{quote(row.name)}"
        yield warning(
            f"The partition {name} of {row.parent} is pending detach: a DETACH … CONCURRENTLY waits, or has failed.",
            "The table has its rows no more. An upgrade finishes that of a pending revision.",
            context.psql(f"ALTER TABLE {row.parent} DETACH PARTITION {name} FINALIZE"),
        )


def _partition_findings(state: PartitionState) -> Iterator[Finding]:
    table = state.table
    if state.default is None:
        yield problem(f"{table} has no default partition.", "Rows of months without one are refused.", _partitions())
    if state.is_sealed:
        why = "It takes no rows but of the months until then, of which the last may soon be over: finish it."
        yield problem(f"Work on the default partition of {table} was broken off, or goes on.", why, _partitions())
    elif state.holds_rows:
        why = "Its rows are neither dropped with their month nor passed over by queries of other months."
        yield warning(f"The default partition of {table} holds rows.", why, _partitions())
    if any(month <= add_months(state.month, 1) for month in state.missing):
        why = "The default one takes the rows instead. Run the command daily."
        yield warning(f"{table} has no partition for this month or the next.", why, _partitions())
    if state.expired:
        why = "The configuration says how many months are kept."
        seen = f"{len(state.expired)} partitions of {table} are older than is kept."
        yield note(seen, why, f"{_partitions()} --drop")


def _partitions() -> str:
    return f"{command('partitions')} --apply"
