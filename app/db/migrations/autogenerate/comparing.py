"""The comparison of `drift` in place of Alembic's, for `alembic check` and `revision --autogenerate`."""

from collections.abc import Iterable, Sequence

import structlog
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import UpgradeOps
from alembic.runtime.plugins import Plugin
from alembic.script import Script
from alembic.util import PriorityDispatchResult
from sqlalchemy import Connection, MetaData

from app.db.migrations.autogenerate.operations import Operations, Step, in_transaction, operations_for
from app.db.migrations.autogenerate.steps import Steps
from app.db.migrations.config import oldest_first
from app.db.migrations.drift.catalogue import Schema
from app.db.migrations.drift.code import drop_routine, drop_view
from app.db.migrations.drift.compare import compare
from app.db.migrations.drift.difference import Difference, Kind, Statement, script
from app.db.migrations.drift.reading import both_schemas
from app.db.migrations.effects import offline_sql, read_sql
from app.db.migrations.kinds import Effect
from app.db.migrations.kinds import Kind as EffectKind

# The name under which Alembic knows it.
COMPARISON = "plimsoll.drift"
# What stands for itself, and may be another application's or an administrator's.
_OF_ANYBODY = frozenset({Kind.TABLE, Kind.SEQUENCE, Kind.ENUM, Kind.TRIGGER, Kind.POLICY, Kind.RULE})

log = structlog.stdlib.get_logger(__name__)


def steps_between(connection: Connection, metadata: MetaData, revisions: Iterable[Script]) -> Steps | None:
    """Return what a revision has to do so that `drift` finds nothing, and its way back; None for nothing.

    What the models do not know is only dropped where one of the `revisions` has created it. Raises DriftUnknownError.
    """
    live, models = both_schemas(connection, metadata)
    found = _of_ours(compare(live, models), revisions)
    if not found:
        return None
    back = {(difference.kind, frozenset(difference.key)): difference for difference in compare(models, live)}
    pairs = [(each, back.get((each.kind, frozenset(each.key)))) for each in found]
    operations = [operations_for(each, live, models, metadata) for each in found]
    up = _sorted(
        [step for each in operations if each for step in each.up],
        [each for each, native in zip(found, operations, strict=True) if native is None],
        [each for each, native in zip(found, operations, strict=True) if native is not None],
    )
    down = _sorted(
        [step for each in operations if each for step in reversed(each.down or ())],
        [way for (_, way), native in zip(pairs, operations, strict=True) if way and _needs_sql_back(native)],
        [way for (_, way), native in zip(pairs, operations, strict=True) if way and not _needs_sql_back(native)],
        _drop_what_was_missing(found, models),
    )
    return Steps(
        [step.operation for step in up], [step.operation for step in down], [_in_words(each) for each in found]
    )


def _needs_sql_back(operations: Operations | None) -> bool:
    return operations is None or operations.down is None


def _sorted(
    native: Sequence[Step], by_sql: Sequence[Difference], others: Sequence[Difference], more: Iterable[Statement] = ()
) -> list[Step]:
    """Return all steps in their order; what `others` do is not done twice."""
    done = {statement.sql for difference in others for statement in difference.ddl}
    statements = [statement for statement in script(by_sql) if statement.sql not in done]
    return sorted([*native, *in_transaction([*statements, *more])], key=lambda step: step.order)


def _drop_what_was_missing(found: Iterable[Difference], models: Schema) -> Iterable[Statement]:
    """Yield the way back of functions and views that were not there, which the reverse comparison does not look for."""
    for each in found:
        if each.live is None and each.kind is Kind.FUNCTION:
            yield from drop_routine(models.routines[each.key[0]])
        elif each.live is None and each.kind is Kind.VIEW:
            yield from drop_view(models.views[each.key[0]])


def _in_words(found: Difference) -> str:
    what = "missing" if found.live is None else "unknown to the models" if found.models is None else "different"
    return f"{found.kind} {found.name}: {what}"


def _of_ours(found: Iterable[Difference], revisions: Iterable[Script]) -> list[Difference]:
    kept, made = [], None
    for each in found:
        if each.models is None and each.kind in _OF_ANYBODY:
            made = _made_by(revisions) if made is None else made
            if each.key[-1] not in made:
                log.warning("left alone: neither the models nor a revision of ours know it", what=_in_words(each))
                continue
        in_the_way = sorted({name for statement in each.ddl for name in statement.in_the_way})
        if in_the_way:
            log.warning("something is in the way of it", what=_in_words(each), in_the_way=in_the_way)
        kept.append(each)
    return kept


_CREATE = {EffectKind.CREATE_TABLE, EffectKind.CREATE_OTHER, EffectKind.CREATE_TRIGGER}
_DROP = {EffectKind.DROP_TABLE, EffectKind.DROP_OTHER}
_RENAME = {EffectKind.RENAME_TABLE, EffectKind.RENAME_OTHER}


def _made_by(revisions: Iterable[Script]) -> set[str]:
    """Return the names of what the revisions have created and not dropped; of one that cannot be read, nothing."""
    made: set[str] = set()
    for revision in revisions:
        for effect in read_sql(offline_sql(revision) or ""):
            _note(made, effect)
    return made


def _note(made: set[str], effect: Effect) -> None:
    name = effect.name if effect.kind is EffectKind.CREATE_TRIGGER and effect.name else effect.table
    if effect.kind in _CREATE:
        made.add(name)
    elif effect.kind in _DROP:
        made.discard(name)
    elif effect.kind in _RENAME and effect.renamed_to and name in made:
        made.remove(name)
        made.add(effect.renamed_to)


def _compare(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    connection, metadata, migration = context.connection, context.metadata, context.migration_context
    if not isinstance(connection, Connection) or not isinstance(metadata, MetaData):
        raise TypeError("the models of one MetaData are compared with a database")
    directory = migration.script
    # What was asked before: the comparison has a transaction of its own.
    connection.rollback()
    steps = steps_between(connection, metadata, oldest_first(directory) if directory else ())
    if steps:
        upgrade_ops.ops.append(steps)
    return PriorityDispatchResult.STOP


Plugin(COMPARISON).add_autogenerate_comparator(_compare, "autogenerate")
