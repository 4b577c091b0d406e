"""What the operations of a step do, read from their SQL by the rules of `lint`."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from alembic.operations import Operations
from alembic.operations.ops import ExecuteSQLOp, MigrateOperation
from alembic.runtime.migration import MigrationContext

from ..lint.contract_steps import breaks_previous_release
from ..lint.known_schema import Change, KnownSchema
from ..sql.effect import Kind
from ..sql.grant_blocks import is_grant_block
from ..sql.reader import read_statement
from ..sql.statement_locks import is_foreign_key, locked_tables
from ..sql.tokens import Statement, statements_of
from .rendering import InAutocommit


class Mode(Enum):
    """How a revision runs: in a transaction, or outside of one, where VALIDATE CONSTRAINT may stand several times."""

    TRANSACTION = auto()
    VALIDATES = auto()
    ALONE = auto()


@dataclass(frozen=True)
class StepEffects:
    """What a step does. `touches` are the tables that it names, `locks` those in use whose traffic waits for it.

    `touches` is empty where it changes what any table may need, such as a type or a function.
    """

    mode: Mode
    is_contract: bool
    is_foreign_key: bool
    locks: tuple[str, ...]
    touches: frozenset[str]


def effects_of(operations: Iterable[MigrateOperation], known: KnownSchema) -> tuple[StepEffects, KnownSchema]:
    """Return the effects as those of a revision of its own, and the schema after it."""
    operations = list(operations)
    known = known.at_next_revision()
    changes: list[Change] = []
    locks: list[str] = []
    touches: set[str] = set()
    statements = [statement for operation in operations for statement in statements_of(_sql_of(operation))]
    for statement in statements:
        new = {row[0] for row in known.tables | known.others}
        names = locked_tables(statement)
        locks += [table for table in names if table not in locks and table not in new]
        touches.update(names)
        for effect in (resolved for read in read_statement(statement) for resolved in known.resolve(read)):
            changes.append(Change(statement, effect, known))
            known = known.after(effect)
    touches |= {change.effect.table for change in changes if change.effect.table}
    touches |= {table for change in changes if (table := _table_of_index(change))}
    return StepEffects(
        _mode(operations, changes),
        any(map(breaks_previous_release, changes)),
        any(map(is_foreign_key, statements)),
        tuple(locks),
        frozenset() if _concerns_all(statements, changes) else frozenset(touches),
    ), known


def _table_of_index(change: Change) -> str | None:
    return change.before.table_of_index(change.effect.name) if change.effect.kind is Kind.DROP_INDEX else None


def _concerns_all(statements: list[Statement], changes: list[Change]) -> bool:
    """Return whether a statement does something that is not known to concern its tables alone."""
    readable = {id(change.statement) for change in changes if change.effect.kind not in _OF_NO_TABLE}
    return not all(
        id(statement) in readable or locked_tables(statement) or _only_grants(statement) for statement in statements
    )


def _only_grants(statement: Statement) -> bool:
    return statement.head == "DO" and any(word.literal and is_grant_block(word.text) for word in statement.words)


_OF_NO_TABLE = {Kind.CREATE_OTHER, Kind.DROP_OTHER, Kind.RENAME_OTHER, Kind.OPAQUE}


def _mode(operations: list[MigrateOperation], changes: list[Change]) -> Mode:
    if not any(isinstance(operation, InAutocommit) for operation in operations):
        return Mode.TRANSACTION
    only_validates = all(change.effect.kind is Kind.VALIDATE for change in changes)
    return Mode.VALIDATES if changes and only_validates else Mode.ALONE


def _sql_of(operation: MigrateOperation) -> str:
    return "\n".join(_texts(operation))


def _texts(operation: MigrateOperation) -> Iterator[str]:
    if isinstance(operation, InAutocommit):
        for inner in operation.operations:
            yield from _texts(inner)
    elif isinstance(operation, ExecuteSQLOp) and isinstance(operation.sqltext, str):
        yield f"{operation.sqltext};"
    else:
        output = io.StringIO()
        context = MigrationContext.configure(
            dialect_name="postgresql",
            # With another style of parameters it doubles percent signs.
            dialect_opts={"paramstyle": "named"},
            opts={"as_sql": True, "literal_binds": True, "output_buffer": output},
        )
        Operations(context).invoke(operation)
        yield output.getvalue()
