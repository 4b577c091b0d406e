"""The steps of a table's rename: a view under the new name, which can be written like the table, and later the table.

The previous release notices nothing of the view. The next one reads and writes through it until the contract revision,
which gives the table its new name in the place of the view, for which it locks the table for a moment.
"""

from collections.abc import Sequence

from ..drift.catalogue import Schema
from ..drift.difference import Order
from ..phase import Phase
from ..sql.quoting import quote
from .plan import Chain, Step
from .rename_answers import Rename, RenameError
from .rendering import Sql


def require_renamable(rename: Rename, live: Schema, models: Schema) -> None:  # noqa: ARG001 - as of a column
    """Raise RenameError if a view cannot stand in for the table."""
    if live.tables[rename.old].row_security:
        raise RenameError(
            f"--rename {rename}: no view can stand in for {rename.old}, because the policies of its rows would be those"
            f' of the view\'s owner. Keep its name in the database: `__tablename__ = "{rename.old}"`.'
        )


def renaming_chain(rename: Rename, rest: Sequence[Step]) -> Chain:
    """Return the steps; `rest` are those after the renaming, which give what belongs to the table its new names."""
    old, new = quote(rename.old), quote(rename.new)
    view, drop_view = Sql(f"CREATE VIEW {new} AS SELECT * FROM {old}"), Sql(f"DROP VIEW {new}")  # noqa: S608 - quoted names
    return [
        Step(order=Order.TABLES_AND_COLUMNS, up=(view,), down=(drop_view,)),
        Step(
            order=Order.TABLES_AND_COLUMNS,
            phase=Phase.CONTRACT,
            up=(drop_view, Sql(f"ALTER TABLE {old} RENAME TO {new}")),
            down=(Sql(f"ALTER TABLE {new} RENAME TO {old}"), view),
        ),
        *rest,
    ]
