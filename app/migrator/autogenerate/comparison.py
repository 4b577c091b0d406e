"""The comparison of `drift` in place of Alembic's, for `alembic check` and `revision --autogenerate`."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from alembic.autogenerate.api import AutogenContext
from alembic.command import check
from alembic.operations.ops import UpgradeOps
from alembic.runtime.plugins import Plugin
from alembic.script import ScriptDirectory
from alembic.util import PriorityDispatchResult
from sqlalchemy import Connection

from ..config import MigratorConfig
from ..drift.difference import Difference, Kind
from ..drift.made_by_revisions import read_made_by
from ..drift.project_differences import compare_with_project
from ..lint.known_schema import schema_after
from ..revisions.loading import oldest_first
from .applied_renames import chains_with_renames
from .directives import Generation
from .plan import plan
from .rename_answers import RenameAnswers
from .renames import Decision, decide
from .schemas import Schemas

# The name under which Alembic knows it.
COMPARISON = "plimsoll.drift"
# Objects of these kinds may belong to another application or an administrator.
_KINDS_OF_OTHERS = frozenset({Kind.TABLE, Kind.SEQUENCE, Kind.ENUM, Kind.TRIGGER, Kind.POLICY, Kind.RULE})

log = structlog.stdlib.get_logger(__name__)


def generate(
    connection: Connection, config: MigratorConfig, directory: ScriptDirectory, answers: RenameAnswers | None
) -> Generation | None:
    """Return what revisions have to do so that `drift` finds nothing, and their way back; None for nothing.

    They drop what the models do not know only if one of the revisions has created it. With `answers` None nothing will
    be written, and nobody has to say what was renamed. Raises DriftUnknownError, RenameError, RenameUnansweredError.
    """
    compared = compare_with_project(connection, config, directory)
    if compared.not_compared:
        log.warning("left alone: a revision may have made it", what=compared.describe_not_compared())
    found = _without_others(compared.differences, directory)
    if not found:
        return None
    schemas = Schemas(compared.live, compared.models, config.metadata)
    decision = Decision() if answers is None else decide(found, compared.live, compared.models, answers)
    chains = chains_with_renames(connection, found, schemas, decision)
    known = schema_after(oldest_first(directory))
    return Generation(plan(chains, known), [_describe(each) for each in found])


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


def _only_checks(options: Mapping[str, Any]) -> bool:
    """Return whether the command is `check`, which writes no revision: no option tells it from `revision`."""
    run: str = getattr(options.get("fn"), "__qualname__", "")
    return run.startswith(f"{check.__name__}.")


def _compare(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Add what is to be done to the operations of a revision, as Alembic's own comparison would."""
    options = context.opts or {}
    connection, config = context.connection, options.get("migrator")
    answers = None if _only_checks(options) else options.get("rename_answers")
    directory = context.migration_context.script
    if not isinstance(connection, Connection) or not isinstance(config, MigratorConfig) or directory is None:
        raise TypeError("the models of a configuration are compared with a database, and with its revisions")
    # The comparison begins a transaction, so the one that Alembic has begun ends here.
    connection.rollback()
    generation = generate(connection, config, directory, answers)
    if generation:
        upgrade_ops.ops.append(generation)
    return PriorityDispatchResult.STOP


Plugin(COMPARISON).add_autogenerate_comparator(_compare, "autogenerate")
