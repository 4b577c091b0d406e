"""What revisions would remove from a database, which the prompt, `status`, the log and a dry run tell alike."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import structlog
from alembic.script import Script
from sqlalchemy import Connection, text

from ..execution.data_loss import Loss, count_loss, quoted_table, removed_by, unknown_loss
from ..hints import Hints
from ..phase import Phase
from ..revisions.loading import phase_of
from ..sql.effect import LOSES_DATA, Effect, Kind
from ..sql.offline import offline_sql
from ..sql.reader import read_statement
from ..sql.tokens import Statement, UnreadableSqlError, statements_of
from ..sql.type_changes import keeps_values, type_changes
from .kept_values import MirroredColumns, type_of

_EXISTS = text(
    """
    SELECT to_regclass(:table) IS NOT NULL AND (CAST(:column AS text) IS NULL OR EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column AND NOT attisdropped
    ))
    """
)
log = structlog.stdlib.get_logger(__name__)


def upgrade_losses(connection: Connection, revisions: Iterable[Script]) -> list[Loss]:
    """Return what the upgrades of these revisions, the oldest first, remove from this database.

    It changes nothing, waits for nobody, and counts for a second at most for each loss. The connection must not be in a
    transaction.
    """
    names, mirrored = _Names(), MirroredColumns(connection)
    found = [loss for script in revisions for loss in _losses(connection, script, names, mirrored)]
    return list(dict.fromkeys(found))


def warn_about_losses(connection: Connection, revisions: Sequence[Script], contract_hints: Hints | None) -> None:
    """Log what the revisions remove. With `contract_hints` it also warns that older releases stop working."""
    losses = upgrade_losses(connection, revisions)
    contracts = [script for script in revisions if contract_hints and phase_of(script) is Phase.CONTRACT]
    for script in contracts:
        log.warning(
            "the start is about to apply a contract revision: releases before it stop working",
            hint=contract_hints.expand_only if contract_hints else None,
            revision=script.revision,
            title=script.doc,
            removes=removed_by(script),
            loses=[str(loss) for loss in losses if loss.revision == script.revision],
        )
    told = {script.revision for script in contracts}
    for loss in losses:
        if loss.revision not in told:
            log.warning("the upgrade removes data", revision=loss.revision, removes=str(loss))


def _losses(connection: Connection, script: Script, names: "_Names", mirrored: MirroredColumns) -> Iterator[Loss]:
    sql = offline_sql(script)
    try:
        statements = None if sql is None else list(statements_of(sql))
    except UnreadableSqlError:
        statements = None
    if statements is None:
        yield unknown_loss(script)
    for statement in statements or ():
        mirrored.learn(statement)
        for effect in read_statement(statement):
            here = names.here(effect)
            if here is not None:
                mirrored_loss = mirrored.loss(script, here)
                yield from _loss(connection, script, statement, here) if mirrored_loss is None else mirrored_loss
            names.follow(effect)


def _loss(connection: Connection, script: Script, statement: Statement, effect: Effect) -> Iterator[Loss]:
    if effect.kind in LOSES_DATA and _exists(connection, effect):
        yield count_loss(connection, script, effect)
    elif effect.kind is Kind.OPAQUE:
        yield unknown_loss(script)
    elif effect.drops_more:
        yield unknown_loss(script, f"what is dropped with {effect.table}")
    elif effect.kind is Kind.CHANGE_TYPE and _may_cut(connection, statement, effect):
        yield unknown_loss(script, f"what the new type of {effect.table}.{effect.column} cannot hold")


def _exists(connection: Connection, effect: Effect) -> bool:
    with connection.begin():
        return bool(connection.scalar(_EXISTS, {"table": quoted_table(effect.table), "column": effect.column}))


def _may_cut(connection: Connection, statement: Statement, effect: Effect) -> bool:
    """Return whether values of the column may not fit its new type; an attribute of a type counts as one."""
    old = type_of(connection, effect)
    if old is None:
        return False
    changes = {column: (new, is_computed) for column, new, is_computed in type_changes(statement)}
    new, is_computed = changes.get(effect.column or "", ("", True))
    return is_computed or not keeps_values(old, new)


class _Names:
    """Follows the names of tables and columns through revisions that are not applied yet, back to those of today."""

    def __init__(self) -> None:
        self._made: set[tuple[str, str | None]] = set()
        self._tables: dict[str, str] = {}
        self._columns: dict[tuple[str, str | None], str] = {}

    def here(self, effect: Effect) -> Effect | None:
        """Return the effect with the names that the database has now; None for what it does not have yet."""
        if {(effect.table, None), (effect.table, effect.column)} & self._made:
            return None
        column = self._columns.get((effect.table, effect.column), effect.column)
        table = self._tables.get(effect.table, effect.table)
        return replace(effect, table=table, column=column)

    def follow(self, effect: Effect) -> None:
        if effect.kind is Kind.CREATE_TABLE and not effect.may_exist:
            self._made.add((effect.table, None))
        elif effect.kind is Kind.ADD_COLUMN and not effect.may_exist:
            self._made.add((effect.table, effect.column))
        elif effect.kind is Kind.RENAME_TABLE and effect.renamed_to:
            self._tables[effect.renamed_to] = self._tables.pop(effect.table, effect.table)
            self._made |= {(effect.renamed_to, column) for table, column in self._made if table == effect.table}
            for table, column in [key for key in self._columns if key[0] == effect.table]:
                self._columns[effect.renamed_to, column] = self._columns[table, column]
        elif effect.kind is Kind.RENAME_COLUMN and effect.renamed_to:
            old = self._columns.pop((effect.table, effect.column), effect.column or "")
            self._columns[effect.table, effect.renamed_to] = old
