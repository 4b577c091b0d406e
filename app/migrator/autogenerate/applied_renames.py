"""Write what was renamed as such, and everything else in the way that is safe for it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from alembic.operations import ops
from sqlalchemy import Connection, MetaData

from ..drift.compare import compare
from ..drift.difference import Difference, Kind, Statement
from ..drift.include_filters import table_of
from ..drift.scratch_schema import both_schemas
from . import renamed_columns, renamed_tables
from .chains import chains_for
from .plan import Chain, Step
from .rename_answers import Rename
from .renames import Decision
from .schemas import Schemas

# The linter's rule about what a person has said to be no rename.
_RULE = "rename-loses-data"


def chains_with_renames(
    connection: Connection, found: Sequence[Difference], schemas: Schemas, decision: Decision
) -> list[Chain]:
    """Return the steps that mend the differences. Raises RenameError where a rename cannot be done so."""
    for rename in decision.columns:
        renamed_columns.require_renamable(rename, schemas.live, schemas.models)
    for rename in decision.tables:
        renamed_tables.require_renamable(rename, decision.columns_of(rename), schemas.live)
    before = schemas.live
    chains: list[Chain] = []
    restored: list[tuple[Statement, ...]] = []
    if decision.tables:
        schemas, found = _under_new_names(connection, found, schemas.metadata, decision)
    for rename in decision.tables:
        own = [each for each in found if table_of(each, schemas.live, schemas.models) == rename.new]
        found = [each for each in found if each not in own]
        columns = decision.columns_of(rename)
        chains.append(renamed_tables.renaming_chain(rename, columns, before, _steps(own, schemas)))
    for rename in decision.columns:
        found, chain = _renamed_column(rename, found, schemas, restored)
        chains.append(chain)
    return [*chains, *(_denied(chain, decision.not_renamed) for chain in chains_for(found, schemas))]


def _steps(found: Sequence[Difference], schemas: Schemas) -> list[Step]:
    return [step for chain in chains_for(found, schemas) for step in chain]


def _under_new_names(
    connection: Connection, found: Iterable[Difference], metadata: MetaData, decision: Decision
) -> tuple[Schemas, list[Difference]]:
    """Return both sides after the tables were renamed, and what then still differs of what was found."""
    renaming = [sql for each in decision.tables for sql in renamed_tables.new_names(each, decision.columns_of(each))]
    live, models = both_schemas(connection, metadata, renaming)
    wanted, names = {(each.kind, each.key) for each in found}, {rename.new for rename in decision.tables}
    left = [
        each
        for each in compare(live, models)
        if (each.kind, each.key) in wanted or table_of(each, live, models) in names
    ]
    return Schemas(live, models, metadata), left


def _renamed_column(
    rename: Rename, found: Sequence[Difference], schemas: Schemas, restored: list[tuple[Statement, ...]]
) -> tuple[list[Difference], Chain]:
    """Return the differences that are left, and the steps of the rename; `restored` is what a downgrade brings back."""
    live, models = schemas.live, schemas.models
    before, after = live.tables[rename.table].columns[rename.old], models.tables[rename.table].columns[rename.new]
    own = [each for each in found if renamed_columns.belongs_to(each, rename, live)]
    # In the words of the models what the database has is new. Of two renamed columns the first takes what both have.
    back = [
        each
        for each in compare(models, live)
        if each.live is None and each.ddl not in restored and renamed_columns.uses(each, before, live)
    ]
    restored.extend(each.ddl for each in back)
    has_index = {Kind.INDEX, Kind.UNIQUE}
    indexes = [
        each
        for each in found
        if each.live is None and each.kind in has_index and renamed_columns.uses(each, after, models)
    ]
    left = [each for each in found if each not in own and each not in indexes]
    return left, renamed_columns.renaming_chain(rename, _steps(indexes, schemas), back, schemas)


def _denied(chain: Chain, denied: Sequence[Rename]) -> Chain:
    """Return the steps; one that drops what was not renamed says so to the linter."""
    return [_with_reasons(step, [pair.denial for pair in denied if _drops(step, pair)]) for step in chain]


def _with_reasons(step: Step, reasons: Sequence[str]) -> Step:
    return replace(step, lint_ignore={**step.lint_ignore, _RULE: "; ".join(reasons)}) if reasons else step


def _drops(step: Step, pair: Rename) -> bool:
    for operation in step.up:
        if isinstance(operation, ops.DropColumnOp) and (operation.table_name, operation.column_name) == (
            pair.table,
            pair.old,
        ):
            return True
        if isinstance(operation, ops.DropTableOp) and not pair.table and operation.table_name == pair.old:
            return True
    return False
