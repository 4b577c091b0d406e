"""The comparison of `drift` in place of Alembic's, for `alembic check` and `revision --autogenerate`."""

from collections.abc import Iterable, Sequence

import structlog
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.runtime.plugins import Plugin
from alembic.script import ScriptDirectory
from alembic.util import PriorityDispatchResult
from sqlalchemy import Connection

from ..config import MigratorConfig
from ..drift.catalogue import Schema
from ..drift.code_ddl import drop_routine, drop_view
from ..drift.compare import compare
from ..drift.difference import Difference, Kind, Statement, script
from ..drift.made_by_revisions import read_made_by
from ..drift.project_differences import compare_with_project
from ..revisions.loading import oldest_first
from .operations import Step, in_transaction, operations_for
from .steps import Steps

# The name under which Alembic knows it.
COMPARISON = "plimsoll.drift"
# Objects of these kinds may belong to another application or an administrator.
_KINDS_OF_OTHERS = frozenset({Kind.TABLE, Kind.SEQUENCE, Kind.ENUM, Kind.TRIGGER, Kind.POLICY, Kind.RULE})

log = structlog.stdlib.get_logger(__name__)


class _Direction:
    """The steps of one direction: Alembic's operations, and SQL for the differences for which there are none."""

    def __init__(self) -> None:
        self._operations: list[Step] = []
        self._by_sql: list[Difference] = []
        # What the operations do, so that no other difference does it again.
        self._done: set[str] = set()

    def add(self, difference: Difference | None, operations: Sequence[Step] | None) -> None:
        """Mend the difference by the operations, or by its SQL if they are None."""
        if operations is not None:
            self._operations += operations
            self._done.update(statement.sql for statement in (difference.ddl if difference else ()))
        elif difference is not None:
            self._by_sql.append(difference)

    def in_order(self, more: Iterable[Statement] = ()) -> list[MigrateOperation]:
        """Return all operations in the order to run them, and `more` statements among them."""
        statements = [statement for statement in script(self._by_sql) if statement.sql not in self._done]
        steps = [*self._operations, *in_transaction([*statements, *more])]
        return [step.operation for step in sorted(steps, key=lambda step: step.order)]


def steps_between(connection: Connection, config: MigratorConfig, directory: ScriptDirectory) -> Steps | None:
    """Return what a revision has to do so that `drift` finds nothing, and its way back; None for nothing.

    It drops what the models do not know only if one of the revisions has created it. Raises DriftUnknownError.
    """
    compared = compare_with_project(connection, config, directory)
    if compared.not_compared:
        log.warning("left alone: a revision may have made it", what=compared.describe_not_compared())
    live, models, metadata = compared.live, compared.models, config.metadata
    found = _without_others(compared.differences, directory)
    if not found:
        return None
    reverse = {_identity(each): each for each in compare(models, live)}
    up, down = _Direction(), _Direction()
    for each in found:
        operations = operations_for(each, live, models, metadata)
        back = operations.down if operations else None
        up.add(each, operations.up if operations else None)
        down.add(reverse.get(_identity(each)), None if back is None else back[::-1])
    return Steps(
        up.in_order(), down.in_order(_drop_what_was_missing(found, models)), [_describe(each) for each in found]
    )


def _identity(found: Difference) -> tuple[Kind, frozenset[str]]:
    """Return what a difference has in common with its reverse, whose names may come in another order."""
    return found.kind, frozenset(found.key)


def _drop_what_was_missing(found: Iterable[Difference], models: Schema) -> Iterable[Statement]:
    """Yield the statements that drop new functions and views, for which the reverse comparison does not look."""
    for each in found:
        if each.live is None and each.kind is Kind.FUNCTION:
            yield from drop_routine(models.routines[each.key[0]])
        elif each.live is None and each.kind is Kind.VIEW:
            yield from drop_view(models.views[each.key[0]])


def _describe(found: Difference) -> str:
    what = "missing" if found.live is None else "unknown to the models" if found.models is None else "different"
    return f"{found.kind} {found.name}: {what}"


def _without_others(found: Sequence[Difference], directory: ScriptDirectory) -> list[Difference]:
    """Return the differences without what somebody else has made; log that, and what is in the way."""
    # Only if it is needed, because all revisions are run without a database.
    made = read_made_by(oldest_first(directory)) if any(map(_may_be_others, found)) else None
    kept = []
    for each in found:
        if made is not None and _may_be_others(each) and not made.knows(each):
            if made.unreadable:
                why = "left alone: the SQL of revisions cannot be known, and one of them may have made it"
                log.warning(why, what=_describe(each), revisions=made.unreadable)
            else:
                log.warning("left alone: neither the models nor a revision of ours know it", what=_describe(each))
            continue
        in_the_way = sorted({name for statement in each.ddl for name in statement.in_the_way})
        if in_the_way:
            log.warning("something is in the way of it", what=_describe(each), in_the_way=in_the_way)
        kept.append(each)
    return kept


def _may_be_others(found: Difference) -> bool:
    return found.models is None and found.kind in _KINDS_OF_OTHERS


def _compare(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Add the steps to the operations of a revision, as Alembic's own comparison would."""
    connection, config = context.connection, (context.opts or {}).get("migrator")
    directory = context.migration_context.script
    if not isinstance(connection, Connection) or not isinstance(config, MigratorConfig) or directory is None:
        raise TypeError("the models of a configuration are compared with a database, and with its revisions")
    # The comparison begins a transaction, so the one that Alembic has begun ends here.
    connection.rollback()
    steps = steps_between(connection, config, directory)
    if steps:
        upgrade_ops.ops.append(steps)
    return PriorityDispatchResult.STOP


Plugin(COMPARISON).add_autogenerate_comparator(_compare, "autogenerate")
