"""Whether another column has the values of one that is dropped: a trigger has kept both equal until then."""

from alembic.script import Script
from sqlalchemy import Connection, text

from ..autogenerate.mirrored_column import VALUE, MirroredColumn, read_mirrored_column
from ..backfill.definition import required_backfills
from ..execution.data_loss import Loss, quoted_table, unknown_loss
from ..sql.effect import Effect, Kind
from ..sql.tokens import Statement
from ..sql.type_changes import keeps_values

_TRIGGER_FUNCTIONS = text(
    "SELECT pg_get_functiondef(tgfoid) FROM pg_trigger WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal"
)
_TYPE_OF = text(
    """
    SELECT format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(:table) AND attname = :column AND NOT attisdropped
    """
)


def type_of(connection: Connection, effect: Effect) -> str | None:
    """Return the type that the effect's column has now. The connection must not be in a transaction."""
    with connection.begin():
        values = {"table": quoted_table(effect.table), "column": effect.column}
        found: str | None = connection.scalar(_TYPE_OF, values)
    return found


class MirroredColumns:
    """The columns that mirror another one, in a database and by revisions that are not applied yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pending: list[MirroredColumn] = []

    def learn(self, statement: Statement) -> None:
        """Note a mirrored column whose trigger's function the statement makes."""
        mirrored = read_mirrored_column(statement.text) if statement.has("FUNCTION") else None
        self._pending += [mirrored] if mirrored else []

    def loss(self, script: Script, effect: Effect) -> list[Loss] | None:
        """Return what a revision loses that drops a column which another one mirrors; None for another effect.

        It requires the backfill, by which the rows from before the trigger have their values in the other column.
        """
        if effect.kind is not Kind.DROP_COLUMN or not required_backfills(script):
            return None
        found = (each for each in self._of(effect.table) if (each.table, each.old) == (effect.table, effect.column))
        mirrored = next(found, None)
        if mirrored is None:
            return None
        if mirrored.to_new == VALUE or self._holds_every_value(mirrored, effect):
            return []
        what = f"what {effect.table}.{mirrored.new} cannot hold of {effect.table}.{effect.column}, which it mirrors"
        return [unknown_loss(script, what)]

    def _of(self, table: str) -> list[MirroredColumn]:
        with self._connection.begin():
            codes = self._connection.scalars(_TRIGGER_FUNCTIONS, {"table": quoted_table(table)}).all()
        return [*self._pending, *filter(None, map(read_mirrored_column, codes))]

    def _holds_every_value(self, mirrored: MirroredColumn, effect: Effect) -> bool:
        old = type_of(self._connection, effect)
        return old is not None and keeps_values(old, mirrored.to_new.rpartition("::")[2])
