"""Alembic's operations for a difference, if it has some that do exactly what is needed."""

from collections.abc import Sequence

from alembic.operations.ops import MigrateOperation

from ..drift.difference import Difference, Kind
from .columns import column_chain
from .constraints import constraint_chain
from .indexes import index_chain
from .plan import Chain
from .schemas import Schemas
from .tables import table_chain

_CONSTRAINTS = {Kind.CHECK, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.PRIMARY_KEY}


def chain_for(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    """Return the steps that mend the difference, or None if SQL has to; `back` brings back what there was."""
    if found.kind is Kind.TABLE:
        return table_chain(found, back, schemas)
    if found.kind is Kind.COLUMN:
        return column_chain(found, schemas)
    if found.kind in _CONSTRAINTS:
        return constraint_chain(found, back, schemas)
    if found.kind is Kind.INDEX:
        return index_chain(found, back, schemas)
    return None
