"""The steps of a table's rename: a view under the new name, which can be written like the table, and later the table.

The previous release notices nothing of the view. The next one reads and writes through it until the contract revision,
which gives the table its new name in the place of the view, for which it locks the table for a moment.
"""

from collections.abc import Mapping, Sequence

from ..drift.catalogue import Schema
from ..drift.difference import Order
from ..phase import Phase
from ..sql.quoting import quote
from .plan import Chain, Step
from .rename_answers import Rename, RenameError
from .renamed_columns import functions_with_name_of
from .rendering import Sql


def require_renamable(rename: Rename, columns: Mapping[str, str], live: Schema) -> None:
    """Raise RenameError if a view cannot stand in for the table; `columns` are the new names of columns by the old."""
    table = live.tables[rename.old]
    if table.row_security:
        raise RenameError(
            f"--rename {rename}: no view can stand in for {rename.old}, because the policies of its rows would be those"
            f' of the view\'s owner. Keep its name in the database: `__tablename__ = "{rename.old}"`.'
        )
    for old, new in columns.items():
        if found := functions_with_name_of(table.columns[old], live):
            raise RenameError(
                f"--rename {rename.old}.{old}:{new}: {', '.join(found)} of its table's triggers has its name, and would"
                f" fail without it. Keep its name in the database, and change the attribute: `{new} ="
                f' mapped_column("{old}")`.'
            )


def new_names(rename: Rename, columns: Mapping[str, str]) -> list[str]:
    """Return the statements that give the table and its columns their new names."""
    table = f"ALTER TABLE {quote(rename.new)}"
    return [
        f"ALTER TABLE {quote(rename.old)} RENAME TO {quote(rename.new)}",
        *(f"{table} RENAME COLUMN {quote(old)} TO {quote(new)}" for old, new in columns.items()),
    ]


def _old_names(rename: Rename, columns: Mapping[str, str]) -> list[str]:
    table = f"ALTER TABLE {quote(rename.new)}"
    return [
        *(f"{table} RENAME COLUMN {quote(new)} TO {quote(old)}" for old, new in columns.items()),
        f"{table} RENAME TO {quote(rename.old)}",
    ]


def renaming_chain(rename: Rename, columns: Mapping[str, str], live: Schema, rest: Sequence[Step]) -> Chain:
    """Return the steps; `rest` are those after the renaming, which give what belongs to the table its new names."""
    new = quote(rename.new)
    view, drop_view = Sql(f"CREATE VIEW {new} AS {_select(rename, columns, live)}"), Sql(f"DROP VIEW {new}")
    return [
        Step(order=Order.TABLES_AND_COLUMNS, up=(view,), down=(drop_view,)),
        Step(
            order=Order.TABLES_AND_COLUMNS,
            phase=Phase.CONTRACT,
            up=(drop_view, *map(Sql, new_names(rename, columns))),
            down=(*map(Sql, _old_names(rename, columns)), view),
        ),
        *rest,
    ]


def _select(rename: Rename, columns: Mapping[str, str], live: Schema) -> str:
    names = (
        f"{quote(name)} AS {quote(columns[name])}" if name in columns else quote(name)
        for name in live.tables[rename.old].columns
    )
    return f"SELECT {', '.join(names) if columns else '*'} FROM {quote(rename.old)}"  # noqa: S608 - quoted names
