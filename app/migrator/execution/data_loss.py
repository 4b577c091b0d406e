"""Find what applying or reverting revisions would lose, and count it in the database before anything is changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alembic.script import Script
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...postgres.errors import DatabaseError
from ..command_names import command
from ..sql.effect import LOSES_DATA, REMOVES, Effect, Kind
from ..sql.names import split_name
from ..sql.offline import effects_of
from ..sql.quoting import quote
from ..units import Rows

UNKNOWN = "what cannot be known from its SQL"
# A table that takes longer is not counted: the number only helps a person to decide.
_COUNT_TIMEOUT = "5s"
QUICK = "1s"
# Longer than it takes to get a lock that nobody holds.
_LOCK_TIMEOUT = "200ms"
_ESTIMATE = text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:table) AND reltuples >= 0")


class DataLossRefusedError(DatabaseError):
    """A downgrade would lose data, and nobody has accepted that."""


class LossKind(StrEnum):
    TABLE = "table"
    COLUMN = "column"
    ROWS = "rows"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Loss:
    """A table, a column or rows that a revision removes, or, of the kind UNKNOWN, what it may remove.

    `rows` counts the rows of the table, or the values of the column that are not null; of the kind ROWS it is the most
    that there can be. It is None where counting failed. `is_estimate` says that it is the server's last estimate.
    """

    revision: str
    kind: LossKind
    what: str
    rows: Rows | None = None
    is_estimate: bool = False

    def __str__(self) -> str:
        return f"{self.what}{self._counted()} (revision {self.revision})"

    @property
    def sentence(self) -> str:
        """Return what applying or reverting does, for a person who decides."""
        return f"This {'may lose' if self.kind is LossKind.UNKNOWN else 'loses'} {self}"

    def _counted(self) -> str:
        if self.rows is None:
            return ""
        about = "about " if self.is_estimate else ""
        most = "at most " if self.kind is LossKind.ROWS else ""
        return f": {most}{about}{self.rows} {'values' if self.kind is LossKind.COLUMN else 'rows'}"


def count_losses(connection: Connection, revisions: Iterable[Script]) -> list[Loss]:
    """Return what the downgrades of these revisions drop or delete, in their order."""
    found: list[Loss] = []
    for script in revisions:
        effects = effects_of([script], "downgrade")
        found.extend(
            count_loss(connection, script, effect, _COUNT_TIMEOUT)
            for effect in effects or ()
            if effect.kind in LOSES_DATA
        )
        if effects is None or any(effect.may_lose_data for effect in effects):
            found.append(unknown_loss(script))
    return found


def unknown_loss(script: Script, what: str = UNKNOWN) -> Loss:
    return Loss(script.revision, LossKind.UNKNOWN, what)


def count_loss(connection: Connection, script: Script, effect: Effect, limit: str = QUICK) -> Loss:
    """Return the loss of an effect that loses data. The connection must not be in a transaction.

    What cannot be counted within `limit`, or because somebody else keeps it locked, is estimated by the catalogue.
    """
    kind = _LOSS_KINDS.get(effect.kind, LossKind.ROWS)
    rows = _count_rows(connection, effect, limit)
    estimate = _estimate_rows(connection, effect) if rows is None else None
    is_estimate = estimate is not None
    return Loss(script.revision, kind, _loss_name(effect), estimate if is_estimate else rows, is_estimate)


def removed_by(script: Script) -> list[str]:
    """Return what the upgrade of a revision takes away from earlier releases, as sentences in its order."""
    effects = effects_of([script])
    if effects is None:
        return [UNKNOWN]
    found = [str(effect) for effect in effects if effect.kind in REMOVES]
    return [*found, UNKNOWN] if any(effect.kind is Kind.OPAQUE for effect in effects) else found


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


_LOSS_KINDS = {Kind.DROP_TABLE: LossKind.TABLE, Kind.DROP_COLUMN: LossKind.COLUMN}


def quoted_table(table: str) -> str:
    """Return the name of a table, which is as effects have it, for a statement."""
    return ".".join(quote(part) for part in split_name(table) if part)


def _count_rows(connection: Connection, effect: Effect, limit: str) -> int | None:
    counted = f"count({quote(effect.column)})" if effect.column else "count(*)"
    try:
        with connection.begin():
            connection.execute(text(f"SET LOCAL statement_timeout = '{limit}'"))
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            return int(connection.scalar(text(f"SELECT {counted} FROM {quoted_table(effect.table)}")) or 0)  # noqa: S608
    except DBAPIError:
        return None


def _estimate_rows(connection: Connection, effect: Effect) -> int | None:
    with connection.begin():
        found: int | None = connection.scalar(_ESTIMATE, {"table": quoted_table(effect.table)})
    return found
