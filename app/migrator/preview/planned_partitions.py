"""The partitions that an upgrade makes for tables that its revisions make first."""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, text

from ..config import MigratorConfig
from ..lint.known_schema import ParsedRevision
from ..partitions.months import month_start
from ..partitions.state import Action, PartitionState
from ..partitions.tables import is_partitioned
from ..sql.effect import Kind

_NOW = text("SELECT now()")


def partitions_of_new_tables(
    connection: Connection, config: MigratorConfig, pending: Iterable[ParsedRevision]
) -> Iterator[Action]:
    """Yield what is made for the tables of the models that these revisions partition, beside what they make."""
    effects = [change.effect for revision in pending for change in revision.changes]
    created = {effect.table for effect in effects if effect.kind is Kind.CREATE_TABLE}
    names = {effect.table: effect.renamed_to or "" for effect in effects if effect.kind is Kind.RENAME_TABLE}
    created |= set(names.values())
    partitioned = {effect.table for effect in effects if effect.kind is Kind.PARTITION_TABLE}
    partitioned |= {names[table] for table in partitioned & names.keys()}
    month = month_start(connection.execute(_NOW).scalar_one())
    for table in config.metadata.tables.values():
        if is_partitioned(table) and table.name in partitioned:
            state = PartitionState(str(table.name), month, (), None, holds_rows=False, is_sealed=False, kept=None)
            yield from (action for action in state.to_make() if action.partition not in created)
