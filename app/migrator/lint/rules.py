"""Our own rules for one revision: what squawk does not know of what breaks the previous release, or stops traffic."""

from collections.abc import Callable, Iterator

from ..phase import Phase
from ..sql.cursor import Cursor
from ..sql.effect import Kind
from ..sql.indexes import dropped_concurrently, index_build
from ..sql.tokens import Statement
from .contract_steps import STEPS, breaks_previous_release
from .finding import Hit
from .known_schema import Change, ParsedRevision
from .lock_rules import limit_lifted, several_tables_locked, table_locked, validated_under_lock
from .partition_rules import partitioned_table
from .project import Project
from .rename_rules import rename_loses_data
from .rollout_rules import added_in_contract, dropped_but_used, dropped_too_soon


def _contract_step_in_expand(revision: ParsedRevision) -> Iterator[Hit]:
    if revision.phase is Phase.CONTRACT:
        return
    for change in revision.changes:
        if breaks_previous_release(change):
            step = STEPS[change.effect.kind]
            yield Hit(change.statement, f"{change.effect}: {step.why}", step.rewrite)


def _not_null_without_check(revision: ParsedRevision) -> Iterator[Hit]:
    for change in revision.changes_of_old_tables({Kind.SET_NOT_NULL}):
        # ADD COLUMN … NOT NULL reads nothing.
        if _adds_column(revision, change) or change.before.holds_no_null(change.effect.table, change.effect.column):
            continue
        yield Hit(
            change.statement,
            f"{change.effect}: every row is read under a lock that stops reads and writes",
            "CHECK (… IS NOT NULL) NOT VALID in one revision, VALIDATE CONSTRAINT in the next, then SET NOT NULL, which"
            " reads nothing any more, and DROP CONSTRAINT.",
        )


def _adds_column(revision: ParsedRevision, of: Change) -> bool:
    return any(
        change.statement is of.statement
        and change.effect.kind is Kind.ADD_COLUMN
        and (change.effect.table, change.effect.column) == (of.effect.table, of.effect.column)
        for change in revision.changes
    )


def _concurrently_not_alone(revision: ParsedRevision) -> Iterator[Hit]:
    outside = any(statement.head == "COMMIT" for statement in revision.statements)
    # A view can be refreshed CONCURRENTLY in a transaction.
    concurrent = any(statement.has("CONCURRENTLY") and statement.head != "REFRESH" for statement in revision.statements)
    if not outside and not concurrent:
        return
    work = [statement for statement in revision.statements if statement.head not in {"BEGIN", "COMMIT"}]
    if len(work) > 1 and _drops_failed_build(work[0], work[1]):
        del work[0]
    # VALIDATE CONSTRAINT does nothing where it has been done.
    if len(work) > 1 and not all(_only_validates(revision, statement) for statement in work):
        yield Hit(
            work[1],
            "outside a transaction there is no way back: after a kill, the statements before this one stay done",
            "A revision for each. Only DROP INDEX CONCURRENTLY IF EXISTS of the same index may come before it, and only"
            " VALIDATE CONSTRAINT may be there several times.",
        )


def _only_validates(revision: ParsedRevision, statement: Statement) -> bool:
    kinds = {change.effect.kind for change in revision.changes if change.statement is statement}
    return kinds == {Kind.VALIDATE}


def _drops_failed_build(first: Statement, second: Statement) -> bool:
    build = index_build(second)
    is_drop = Cursor(first.words).comes("DROP", "INDEX", "CONCURRENTLY", "IF", "EXISTS")
    return is_drop and build is not None and build.is_concurrent and dropped_concurrently(first) == (build.name,)


def _backfill_in_revision(revision: ParsedRevision) -> Iterator[Hit]:
    for change in revision.changes_of_old_tables({Kind.UPDATE, Kind.DELETE}):
        yield Hit(
            change.statement,
            f"{change.effect}: in one transaction, so that every row stays locked until the revision is over",
            "Make it a backfill, which works in batches, and have a later contract revision require it.",
        )


def _block_of_code(revision: ParsedRevision) -> Iterator[Hit]:
    for change in revision.changes:
        if change.effect.kind is Kind.OPAQUE:
            yield Hit(
                change.statement,
                f"{change.effect.table}: what it does, and what it locks, cannot be read from it",
                "Write its statements out, or say in lint_ignore what it does and why that is fine.",
            )


def _cannot_run_offline(revision: ParsedRevision) -> Iterator[Hit]:
    if revision.sql is None:
        why = revision.offline.reason
        yield Hit(
            None,
            f"its SQL cannot be known without a database ({why}), so that nothing of it was checked",
            "Take what looks at the database out of it, or say in lint_ignore how it was checked.",
        )
    for line in revision.offline.checked:
        yield Hit(
            next((each for each in revision.statements if each.line >= line), None),
            "it runs only if the database does not have, or has, what it is about (checkfirst)",
            "checkfirst=False: what a revision does is the same in every database.",
        )


# By name.
RULES: dict[str, Callable[[ParsedRevision], Iterator[Hit]]] = {
    "contract-step-in-expand": _contract_step_in_expand,
    "not-null-without-check": _not_null_without_check,
    "concurrently-not-alone": _concurrently_not_alone,
    "backfill-in-revision": _backfill_in_revision,
    "table-locked": table_locked,
    "several-tables-locked": several_tables_locked,
    "validated-under-lock": validated_under_lock,
    "limit-lifted": limit_lifted,
    "partitioned-table": partitioned_table,
    "added-in-contract": added_in_contract,
    "block-of-code": _block_of_code,
    "cannot-run-offline": _cannot_run_offline,
}
# These look beyond the revision, too.
PROJECT_RULES: dict[str, Callable[[ParsedRevision, Project], Iterator[Hit]]] = {
    "rename-loses-data": rename_loses_data,
    "dropped-but-used": dropped_but_used,
    "dropped-too-soon": dropped_too_soon,
}
# These find nothing where no base is named.
BASE_RULES = frozenset({"dropped-too-soon"})
# What these find changes with the models, and with the revisions that a database lacks.
SOMETIMES_FOUND = frozenset({"rename-loses-data", "dropped-but-used"})
