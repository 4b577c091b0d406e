"""The steps that mend all differences, each in the way that is safe for it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from alembic.operations.ops import MigrateOperation

from ..drift.catalogue import Constraint, Schema
from ..drift.code_ddl import drop_routine, drop_view
from ..drift.compare import compare
from ..drift.difference import Difference, Kind, Statement, script
from .operations import Schemas, chain_for, in_transaction
from .plan import Chain, Step
from .rendering import InAutocommit, Sql

_Key = tuple[Kind, frozenset[str]]


def chains_for(found: Sequence[Difference], schemas: Schemas) -> list[Chain]:
    """Return the steps that mend each difference."""
    reverse = {_key(each): each for each in compare(schemas.models, schemas.live)}
    chains: dict[_Key, Chain] = {}
    # What the operations do, so that no other difference does it again.
    done: set[str] = set()
    by_sql: list[Difference] = []
    for each in found:
        back = reverse.get(_key(each))
        chain = chain_for(each, in_transaction(script([back])) if back else (), schemas)
        if chain is None:
            by_sql.append(each)
            continue
        chains[_key(each)] = chain
        done.update(statement.sql for statement in (*each.ddl, *(back.ddl if back else ())))
    for each in by_sql:
        back = reverse.get(_key(each))
        undo = [*script([back] if back else []), *_drop_what_was_missing(each, schemas.models)]
        up, down = ([s for s in statements if s.sql not in done] for statements in (script([each]), undo))
        chains[_key(each)] = _by_sql(up, down)
        done.update(statement.sql for statement in (*up, *down))
    _join_constraints_of_new_columns(chains, found, schemas)
    return [chain for chain in chains.values() if chain]


def _key(found: Difference) -> _Key:
    """Return what a difference has in common with its reverse, whose names may come in another order."""
    return found.kind, frozenset(found.key)


def _by_sql(up: Sequence[Statement], down: Sequence[Statement]) -> Chain:
    """Return a step for each statement; the first one's way back is that of all."""
    return [
        Step(order=statement.order, up=(_as_operation(statement),), down=in_transaction(down) if position == 0 else ())
        for position, statement in enumerate(up)
    ]


def _as_operation(statement: Statement) -> MigrateOperation:
    is_alone = any(word in statement.sql for word in (" CONCURRENTLY ", " VALIDATE CONSTRAINT "))
    return InAutocommit(Sql(statement.sql)) if is_alone else Sql(statement.sql)


def _drop_what_was_missing(found: Difference, models: Schema) -> Iterable[Statement]:
    """Yield the statements that drop a new function or view, for which the reverse comparison does not look."""
    if found.live is None and found.kind is Kind.FUNCTION:
        yield from drop_routine(models.routines[found.key[0]])
    elif found.live is None and found.kind is Kind.VIEW:
        yield from drop_view(models.views[found.key[0]])


_JOINING = {Kind.FOREIGN_KEY, Kind.CHECK}


def _join_constraints_of_new_columns(chains: dict[_Key, Chain], found: Iterable[Difference], schemas: Schemas) -> None:
    """Add the constraints of new columns in one step with these: the previous release leaves the columns NULL."""
    for each in found:
        chain, constraint = chains.get(_key(each)), schemas.models.constraints.get((each.key[0], each.key[-1]))
        if not chain or constraint is None or each.live is not None or each.kind not in _JOINING:
            continue
        columns = [key for key in _new_nullable_columns(constraint, schemas) if chains.get(key)]
        if not columns or len(columns) != len(constraint.columns):
            continue
        rest = [step for key in columns for step in chains[key][1:]]
        firsts = [chains.pop(key)[0] for key in columns]
        # The constraint is dropped with its columns.
        merged = replace(
            firsts[0],
            up=tuple(operation for step in (*firsts, chain[0]) for operation in step.up),
            down=tuple(operation for step in reversed(firsts) for operation in step.down),
        )
        del chains[_key(each)]
        chains[columns[0]] = [merged, *rest, *chain[1:]]


def _new_nullable_columns(constraint: Constraint, schemas: Schemas) -> list[_Key]:
    """Return those of the constraint's columns that are new, and NULL until a release writes them."""
    table = constraint.table
    old = schemas.live.tables[table].columns
    return [
        (Kind.COLUMN, frozenset((table, column.name)))
        for column in schemas.models.tables[table].columns.values()
        if column.path in constraint.columns and column.name not in old and not (column.not_null or column.expression)
    ]
