"""Find what reverting revisions would lose, and count it in the database before anything is changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alembic.script import Script
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...postgres.errors import DatabaseError
from ..command_names import command
from ..sql.effect import LOSES_DATA, MAY_LOSE_DATA, REMOVES, Effect, Kind
from ..sql.names import split_name
from ..sql.offline import effects_of
from ..sql.quoting import quote

_UNKNOWN = "what cannot be known from its SQL"
# A table that takes longer is not counted: the number only helps a person to decide.
_COUNT_TIMEOUT = "5s"


class DataLossRefusedError(DatabaseError):
    """A downgrade would lose data, and nobody has accepted that."""


@dataclass(frozen=True)
class Loss:
    """One table or column that a downgrade loses.

    `rows` counts the rows of a table, or the values of a column that are not null. It is None where counting failed.
    """

    revision: str
    what: str
    rows: int | None

    def __str__(self) -> str:
        counted = "" if self.rows is None else f": {self.rows} {'values' if '.' in self.what else 'rows'}"
        return f"{self.what}{counted} (revision {self.revision})"


def count_losses(connection: Connection, revisions: Iterable[Script]) -> list[Loss]:
    """Return what the downgrades of these revisions drop or delete, in their order."""
    found: list[Loss] = []
    for script in revisions:
        effects = effects_of([script], "downgrade")
        found.extend(
            Loss(script.revision, _loss_name(effect), _count_rows(connection, effect))
            for effect in effects or ()
            if effect.kind in LOSES_DATA
        )
        if effects is None or any(effect.kind in MAY_LOSE_DATA for effect in effects):
            found.append(Loss(script.revision, _UNKNOWN, None))
    return found


def removed_by(script: Script) -> list[str]:
    """Return what the upgrade of a revision takes away from earlier releases, as sentences in its order."""
    effects = effects_of([script])
    if effects is None:
        return [_UNKNOWN]
    found = [str(effect) for effect in effects if effect.kind in REMOVES]
    return [*found, _UNKNOWN] if any(effect.kind is Kind.OPAQUE for effect in effects) else found


def refuse_data_loss(connection: Connection, revisions: Sequence[Script]) -> None:
    """Raise DataLossRefusedError where something would be lost: it lists that, and says what to do instead.

    An empty table counts, since it may be filled until it is dropped.
    """
    losses = count_losses(connection, revisions)
    if not losses:
        return
    lost = "".join(f"\n  - {loss}" for loss in losses)
    raise DataLossRefusedError(
        "A downgrade is refused unless its losses are accepted. It would revert"
        f" {', '.join(script.revision for script in revisions)} and lose:{lost}\n"
        f"Better: restore a backup (`{command('restore')}`) or write a new revision that mends. To go on all the"
        " same: --accept-data-loss (`alembic -x accept-data-loss downgrade …`)."
    )


def _loss_name(effect: Effect) -> str:
    if effect.column:
        return f"column {effect.table}.{effect.column}"
    return f"table {effect.table}" if effect.kind is Kind.DROP_TABLE else f"rows of {effect.table}"


def _count_rows(connection: Connection, effect: Effect) -> int | None:
    counted = f"count({quote(effect.column)})" if effect.column else "count(*)"
    table = ".".join(quote(part) for part in split_name(effect.table) if part)
    try:
        with connection.begin():
            connection.execute(text(f"SET LOCAL statement_timeout = '{_COUNT_TIMEOUT}'"))
            return int(connection.scalar(text(f"SELECT {counted} FROM {table}")) or 0)  # noqa: S608
    except DBAPIError:
        return None
