"""The steps that mend all differences, each in the way that is safe for it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from alembic.operations.ops import MigrateOperation

from ..drift.catalogue import Constraint, Schema
from ..drift.code_ddl import drop_routine, drop_view
from ..drift.compare import compare
from ..drift.difference import Difference, Kind, Order, Statement, script
from ..phase import Phase
from ..sql.indexes import index_build
from ..sql.quoting import quote
from ..sql.tokens import statements_of
from .indexes import build_concurrently
from .operations import chain_for
from .plan import Chain, Step
from .rendering import InAutocommit, Sql, in_transaction
from .row_requirements import rows_are_distinct, rows_satisfy
from .schemas import Schemas

_Key = tuple[Kind, frozenset[str]]


def chains_for(found: Sequence[Difference], schemas: Schemas) -> list[Chain]:
    """Return the steps that mend each difference."""
    reverse = {_key(each): each for each in compare(schemas.models, schemas.live)}
    keys = _with_keys_that_others_refer_to(found, reverse)
    chains: dict[_Key, Chain] = {}
    by_sql: list[Difference] = []
    # What is done already, so that no other difference does it again.
    done: set[str] = set()
    undone: set[str] = set()
    # A table comes after those that it refers to.
    tables = schemas.names_in_order
    others = (each for each in found if each not in keys)
    for each in sorted(others, key=lambda each: tables.index(each.key[0]) if _is_new_table(each) else -1):
        back = reverse.get(_key(each))
        chain = chain_for(each, in_transaction(script([back])) if back else (), schemas)
        if chain is None:
            by_sql.append(each)
            continue
        chains[_key(each)] = chain
        done.update(statement.sql for statement in each.ddl)
        undone.update(sql for step in chain for sql in _texts(step.down))
    for each in by_sql:
        back = reverse.get(_key(each))
        undo = [*script([back] if back else []), *_drop_what_was_missing(each, schemas.models)]
        up = [statement for statement in script([each]) if statement.sql not in done]
        down = [statement for statement in undo if in_transaction([statement])[0].sqltext not in undone]
        chain = _by_sql(list(map(_without_replace, up)) if each.live is None else up, down)
        chains[_key(each)] = _asserting([each], chain, schemas.models)
        done.update(statement.sql for statement in up)
        undone.update(_texts(in_transaction(down)))
    _join_constraints_of_new_columns(chains, found, schemas)
    together = _together(keys, [reverse[_key(each)] for each in keys if _key(each) in reverse])
    return [chain for chain in (*chains.values(), _asserting(keys, together, schemas.models)) if chain]


def _key(found: Difference) -> _Key:
    """Return what a difference has in common with its reverse, whose names may come in another order."""
    return found.kind, frozenset(found.key)


def _is_new_table(found: Difference) -> bool:
    return found.kind is Kind.TABLE and found.live is None


def _with_keys_that_others_refer_to(
    found: Iterable[Difference], reverse: Mapping[_Key, Difference]
) -> list[Difference]:
    """Return the differences of keys for which foreign keys have to be dropped, and of those foreign keys."""
    keys = [each for each in found if each.kind in _RESTED_ON and _foreign_keys(each, reverse.get(_key(each)))]
    moved = {sql for each in keys for sql in _foreign_keys(each, reverse.get(_key(each)))}
    return keys + [
        each
        for each in found
        if each.kind is Kind.FOREIGN_KEY
        and any(f"TABLE {quote(each.key[0])} " in sql and f" CONSTRAINT {quote(each.key[1])}" in sql for sql in moved)
    ]


_RESTED_ON = {Kind.UNIQUE, Kind.PRIMARY_KEY, Kind.INDEX}


def _foreign_keys(*differences: Difference | None) -> set[str]:
    """Return the statements that drop foreign keys."""
    statements = (statement for found in differences if found for statement in found.ddl)
    return {statement.sql for statement in statements if statement.order is Order.DROP_FOREIGN_KEYS}


def _together(up: Sequence[Difference], down: Sequence[Difference]) -> Chain:
    """Return the steps that mend all of these; the first one takes all of them back."""
    steps = [Step(order=statement.order, up=(_as_operation(statement),)) for statement in script(up)]
    return [replace(steps[0], down=in_transaction(script(down))), *steps[1:]] if steps else []


def _texts(operations: Iterable[MigrateOperation]) -> set[str]:
    return {str(operation.sqltext) for operation in operations if isinstance(operation, Sql)}


def _by_sql(up: Sequence[Statement], down: Sequence[Statement]) -> Chain:
    """Return a step for each statement, with the statements that take back what it does."""
    orders = [statement.order for statement in up]
    undo: list[list[Statement]] = [[] for _ in up]
    for statement in down if up else ():
        undo[_undone_step(statement.order, orders)].append(statement)
    return [
        Step(
            order=statement.order,
            up=(_as_operation(statement),),
            down=in_transaction(undone),
            phase=_phase(statement),
        )
        for statement, undone in zip(up, undo, strict=True)
    ]


def _asserting(found: Sequence[Difference], chain: Chain, models: Schema) -> Chain:
    """Return the steps for constraints and indexes with what is asserted of the rows before the first of them."""
    operations = [operation for step in chain for operation in step.up]
    alone = [inner for each in operations if isinstance(each, InAutocommit) for inner in each.operations]
    if not any(map(_READS_ROWS.search, _texts([*operations, *alone]))):
        return chain
    constraints = [models.constraints.get((each.key[0], each.key[-1])) for each in found]
    indexes = [models.indexes.get(each.key[0]) for each in found if each.kind is Kind.INDEX]
    assertions = [
        *(assertion for each in constraints if each for assertion in rows_satisfy(each)),
        *(assertion for each in indexes if each for assertion in rows_are_distinct(each)),
    ]
    return [replace(chain[0], assertions=tuple(assertions)), *chain[1:]]


_READS_ROWS = re.compile(r"^CREATE UNIQUE INDEX\b| (?:ADD|VALIDATE) CONSTRAINT ")


def _without_replace(statement: Statement) -> Statement:
    """Return the statement that makes a function or view, of which there is none yet."""
    return replace(statement, sql=statement.sql.replace("CREATE OR REPLACE", "CREATE", 1))


def _phase(statement: Statement) -> Phase:
    return Phase.CONTRACT if _CHANGES_BEHAVIOUR.match(statement.sql) else Phase.EXPAND


def _undone_step(order: Order, orders: Sequence[Order]) -> int:
    """Return the position of the step that is taken back by a statement of this order."""
    for inverse in _INVERSE.get(order, ()):
        if inverse in orders:
            return orders.index(inverse)
    return len(orders) - 1 - orders[::-1].index(order) if order in orders else 0


# When what a statement takes back is done, the likeliest first; others take back what is of their own order.
_INVERSE: dict[Order, tuple[Order, ...]] = {
    Order.DROP_CODE: (Order.CREATE_CODE,),
    Order.CREATE_CODE: (Order.DROP_CODE,),
    Order.DROP_FOREIGN_KEYS: (Order.FOREIGN_KEYS,),
    Order.FOREIGN_KEYS: (Order.DROP_FOREIGN_KEYS,),
    Order.DROP_CONSTRAINTS_AND_INDEXES: (Order.INDEXES, Order.CONSTRAINTS, Order.GENERATED_COLUMNS),
    Order.INDEXES: (Order.DROP_CONSTRAINTS_AND_INDEXES,),
    Order.CONSTRAINTS: (Order.DROP_CONSTRAINTS_AND_INDEXES,),
    Order.DROP_COLUMNS: (Order.TABLES_AND_COLUMNS,),
    Order.TABLES_AND_COLUMNS: (Order.DROP_COLUMNS, Order.DROP_TABLES),
    Order.DROP_TABLES: (Order.TABLES_AND_COLUMNS,),
    Order.TYPES: (Order.DROP_SEQUENCES_AND_TYPES,),
    Order.SEQUENCES: (Order.DROP_SEQUENCES_AND_TYPES,),
    Order.DROP_SEQUENCES_AND_TYPES: (Order.TYPES, Order.SEQUENCES),
}


# What the previous release gets, or may do, changes with these.
_CHANGES_BEHAVIOUR = re.compile(
    r"CREATE OR REPLACE\b|(?:CREATE|ALTER|DROP) POLICY\b|ALTER SEQUENCE\b"
    r"|ALTER TABLE \S+ (?:NO )?(?:FORCE|ENABLE|DISABLE)\b"
    r"|ALTER TABLE \S+ ALTER COLUMN \S+ (?:SET GENERATED|DROP IDENTITY|ADD GENERATED|DROP EXPRESSION|SET EXPRESSION)\b"
)


def _as_operation(statement: Statement) -> MigrateOperation:
    operation = Sql(statement.sql)
    built = next((build for each in statements_of(statement.sql) if (build := index_build(each))), None)
    if built and built.is_concurrent:
        return build_concurrently(built.name, built.table, operation)
    is_alone = any(word in statement.sql for word in (" CONCURRENTLY ", " VALIDATE CONSTRAINT "))
    return InAutocommit(operation) if is_alone else operation


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
        columns = _new_empty_columns(constraint, schemas)
        if not columns or not all(chains.get(key) for key in columns):
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
        chains[columns[0]] = [merged, *chain[1:], *rest]


def _new_empty_columns(constraint: Constraint, schemas: Schemas) -> list[_Key]:
    """Return the constraint's columns if all of them are new and NULL at first."""
    old = schemas.live.tables[constraint.table].columns
    of_table = schemas.models.tables[constraint.table].columns.values()
    columns = [column for column in of_table if column.path in constraint.columns]
    if any(column.name in old or column.expression or column.identity for column in columns):
        return []
    return [(Kind.COLUMN, frozenset((column.table, column.name))) for column in columns]
