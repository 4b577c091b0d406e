"""What ALTER TABLE does, action by action."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from .check_constraints import columns_allowed_null, is_not_null_column
from .cursor import Cursor
from .effect import Effect, Kind
from .names import in_schema_of, qualified, split_name
from .tokens import Statement

_CONSTRAINTS = frozenset({"CHECK", "EXCLUDE", "FOREIGN", "NOT", "PRIMARY", "UNIQUE"})
SERIAL = frozenset({"SERIAL", "SERIAL2", "SERIAL4", "SERIAL8", "BIGSERIAL", "SMALLSERIAL"})
# An IDENTITY or a generated column has what it needs without the INSERT.
_DEFAULTS = SERIAL | {"DEFAULT", "GENERATED"}
# A unique index or constraint with this refuses a second NULL.
NULL_COUNTS = ("NULLS", "NOT", "DISTINCT")


def alterations(cursor: Cursor) -> Iterator[Effect]:
    """Yield the effects of what follows `ALTER TABLE`."""
    cursor.skip_if_exists()
    cursor.skip("ONLY")
    table = cursor.name()
    cursor.skip("*")
    for action in cursor.parts():
        for keywords, read in _ACTIONS:
            if action.skip(*keywords):
                yield from read(table, action)
                break


def _rename_column(table: str, action: Cursor) -> Iterator[Effect]:
    column = action.column()
    action.skip("TO")
    yield Effect(Kind.RENAME_COLUMN, table, column, renamed_to=action.column())


def _rename_constraint(table: str, action: Cursor) -> Iterator[Effect]:
    name = action.column()
    action.skip("TO")
    yield Effect(Kind.RENAME_CONSTRAINT, table, name=name, renamed_to=action.column())


def _add(table: str, action: Cursor) -> Iterator[Effect]:
    is_constraint = bool(action) and action.left[0].keyword in _CONSTRAINTS
    yield from _add_constraint(table, "", action) if is_constraint else _add_column(table, action)


def _add_column(table: str, action: Cursor) -> Iterator[Effect]:
    may_exist = action.skip_if_exists()
    column = action.column()
    words = action.outside_groups()
    pairs = set(pairwise(["", *words]))
    yield Effect(Kind.ADD_COLUMN, table, column, may_exist=may_exist)
    # VIRTUAL is computed when it is read.
    if not {*SERIAL, "STORED"}.isdisjoint(words) or ("AS", "IDENTITY") in pairs:
        yield Effect(Kind.REWRITE, table, column)
    # DEFAULT NULL is none, and ON DELETE SET DEFAULT is not the column's.
    if any(word in _DEFAULTS and before != "SET" for before, word in pairs) and ("DEFAULT", "NULL") not in pairs:
        yield Effect(Kind.SET_DEFAULT, table, column)
    if {("NOT", "NULL"), ("PRIMARY", "KEY")} & pairs:
        yield Effect(Kind.SET_NOT_NULL, table, column)
    yield from _column_constraints(table, column, action)


def _column_constraints(table: str, column: str, action: Cursor) -> Iterator[Effect]:
    """Yield the effects of the constraints that stand behind the column's type."""
    name = ""
    while action:
        if action.skip("CONSTRAINT"):
            name = action.column()
            continue
        if action.skip("CHECK"):
            condition = action.group()
            action.skip("NO", "INHERIT")
            if action.skip("NOT", "ENFORCED"):
                yield Effect(Kind.ADD_CONSTRAINT, table, name=name)
            else:
                effect = _check(table, name, condition)
                yield from (effect, Effect(Kind.VALIDATE, table, name=effect.name))
        elif action.skip("UNIQUE"):
            columns = () if action.comes(*NULL_COUNTS) else (column,)
            yield Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=columns)
        elif action.skip("REFERENCES"):
            yield Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=(column,))
        elif action.comes("("):
            action.group()
        else:
            action.pop()
        name = ""


def _add_constraint(table: str, name: str, action: Cursor) -> Iterator[Effect]:
    # The index already holds the rows to it.
    if action.comes("UNIQUE", "USING", "INDEX"):
        return
    if action.skip("PRIMARY", "KEY", "USING", "INDEX"):
        yield Effect(Kind.USE_INDEX, table, name=in_schema_of(table, action.column()))
        return
    attributes = list(pairwise(action.outside_groups()))
    effect = _constraint(table, name, action)
    # What is not enforced says nothing about a row.
    if ("NOT", "ENFORCED") in attributes:
        yield Effect(Kind.ADD_CONSTRAINT, table, name=name)
        return
    yield effect
    if ("NOT", "VALID") not in attributes:
        yield Effect(Kind.VALIDATE, table, name=effect.name)


def _constraint(table: str, name: str, action: Cursor) -> Effect:
    if action.skip("CHECK"):
        return _check(table, name, action.group())
    # Since PostgreSQL 18.
    if action.skip("NOT", "NULL"):
        return _not_null(table, name, action.column(), "not_null")
    # Which columns an EXCLUDE is about is a matter of expressions.
    has_columns = bool(action) and action.left[0].keyword in {"FOREIGN", "PRIMARY", "UNIQUE"}
    null_counts = action.has(*NULL_COUNTS)
    columns = action.group().column_names() if has_columns and not null_counts else ()
    return Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=columns)


def _check(table: str, name: str, condition: Cursor) -> Effect:
    while condition.comes("("):
        condition = condition.group()
    if is_not_null_column(condition):
        return _not_null(table, name, condition.column(), "check")
    return Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=columns_allowed_null(condition))


def _not_null(table: str, name: str, column: str, suffix: str) -> Effect:
    # As PostgreSQL names it, so that it is known when it is validated.
    chosen = name or f"{split_name(table)[1]}_{column}_{suffix}"
    return Effect(Kind.ADD_NOT_NULL_CHECK, table, column, name=chosen)


def _drop_constraint(table: str, action: Cursor) -> Iterator[Effect]:
    action.skip_if_exists()
    yield Effect(Kind.DROP_CONSTRAINT, table, name=action.column())


def _drop_column(table: str, action: Cursor) -> Iterator[Effect]:
    action.skip_if_exists()
    yield Effect(Kind.DROP_COLUMN, table, action.column())


def _alter_column(table: str, action: Cursor) -> Iterator[Effect]:
    column = action.column()
    for keywords, kind in _COLUMN_CHANGES:
        if action.skip(*keywords):
            yield Effect(kind, table, column)
            break


@dataclass(frozen=True)
class AddedConstraint:
    """A constraint that an ALTER TABLE adds: its first keyword (CHECK, FOREIGN, …), and what else counts."""

    table: str
    kind: str
    only: bool
    uses_index: bool
    is_not_valid: bool
    is_enforced: bool


def added_constraints(statement: Statement) -> Iterator[AddedConstraint]:
    """Yield the constraints that the statement adds to a table, other than those of new columns."""
    cursor = Cursor(statement.words)
    if not cursor.skip("ALTER", "TABLE"):
        return
    cursor.skip_if_exists()
    only = cursor.skip("ONLY")
    table = cursor.name()
    for action in cursor.parts():
        if not action.skip("ADD"):
            continue
        if action.skip("CONSTRAINT"):
            action.column()
        kind = action.left[0].keyword if action else ""
        attributes = set(pairwise(action.outside_groups()))
        if kind in _CONSTRAINTS:
            yield AddedConstraint(
                table,
                kind,
                only,
                uses_index=("USING", "INDEX") in attributes and "(" not in action.outside_groups(),
                is_not_valid=("NOT", "VALID") in attributes,
                is_enforced=("NOT", "ENFORCED") not in attributes,
            )


def renaming(name: str, cursor: Cursor) -> Iterator[Effect]:
    """Yield RENAME_OTHER if the object `name` is renamed or moved; `cursor` is behind its name."""
    if cursor.comes("RENAME") or cursor.comes("SET", "SCHEMA"):
        new = next(new for word, new in pairwise(cursor.left) if word.keyword in {"TO", "SCHEMA"})
        yield Effect(Kind.RENAME_OTHER, name, renamed_to=new.text if new.literal else new.name)


def type_alterations(cursor: Cursor) -> Iterator[Effect]:
    """Yield the effects of what follows `ALTER TYPE`; the attributes of a composite type are like columns."""
    name = cursor.name()
    yield from renaming(name, cursor)
    for action in cursor.parts():
        if action.skip("DROP", "ATTRIBUTE"):
            yield from _drop_column(name, action)
        elif action.skip("ALTER", "ATTRIBUTE"):
            yield Effect(Kind.CHANGE_TYPE, name, action.column())


def domain_alterations(cursor: Cursor) -> Iterator[Effect]:
    """Yield the effects of what follows `ALTER DOMAIN`, which are those on every column of its type."""
    name = cursor.name()
    yield from renaming(name, cursor)
    yield from (Effect(kind, name) for keywords, kind in _DOMAIN_CHANGES if cursor.comes(*keywords))


_DOMAIN_CHANGES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("SET", "NOT", "NULL"), Kind.SET_NOT_NULL),
    (("DROP", "NOT", "NULL"), Kind.DROP_NOT_NULL),
    (("SET", "DEFAULT", "NULL"), Kind.DROP_DEFAULT),
    (("DROP", "DEFAULT"), Kind.DROP_DEFAULT),
    (("ADD",), Kind.ADD_CONSTRAINT),
    (("DROP", "CONSTRAINT"), Kind.DROP_CONSTRAINT),
)
# What follows ALTER COLUMN and the name; the first that fits.
_COLUMN_CHANGES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("TYPE",), Kind.CHANGE_TYPE),
    (("SET", "DATA", "TYPE"), Kind.CHANGE_TYPE),
    (("SET", "NOT", "NULL"), Kind.SET_NOT_NULL),
    (("DROP", "NOT", "NULL"), Kind.DROP_NOT_NULL),
    (("SET", "DEFAULT", "NULL"), Kind.DROP_DEFAULT),
    (("SET", "DEFAULT"), Kind.SET_DEFAULT),
    (("ADD", "GENERATED"), Kind.SET_DEFAULT),
    (("DROP", "DEFAULT"), Kind.DROP_DEFAULT),
    (("DROP", "IDENTITY"), Kind.DROP_DEFAULT),
    (("DROP", "EXPRESSION"), Kind.DROP_DEFAULT),
    (("SET", "EXPRESSION"), Kind.REWRITE),
)
# The first that fits; COLUMN may be left out everywhere. Each reads what the action `it` does to the table `t`.
_ACTIONS: tuple[tuple[tuple[str, ...], Callable[[str, Cursor], Iterable[Effect]]], ...] = (
    (("RENAME", "TO"), lambda t, it: [Effect(Kind.RENAME_TABLE, t, renamed_to=in_schema_of(t, it.column()))]),
    (("RENAME", "CONSTRAINT"), _rename_constraint),
    (("RENAME", "COLUMN"), _rename_column),
    (("RENAME",), _rename_column),
    (
        ("SET", "SCHEMA"),
        lambda t, it: [Effect(Kind.RENAME_TABLE, t, renamed_to=qualified(it.column(), split_name(t)[1]))],
    ),
    (("SET", "LOGGED"), lambda t, _: [Effect(Kind.REWRITE, t)]),
    (("SET", "UNLOGGED"), lambda t, _: [Effect(Kind.REWRITE, t)]),
    (("SET", "ACCESS", "METHOD"), lambda t, _: [Effect(Kind.REWRITE, t)]),
    (("SET", "TABLESPACE"), lambda t, _: [Effect(Kind.REWRITE, t)]),
    # ALTER TABLE ALL IN TABLESPACE … SET TABLESPACE
    (("IN", "TABLESPACE"), lambda t, _: [Effect(Kind.REWRITE, t)]),
    (("ATTACH", "PARTITION"), lambda _, it: [Effect(Kind.ATTACH_PARTITION, it.name())]),
    (("ADD", "CONSTRAINT"), lambda t, it: _add_constraint(t, it.column(), it)),
    (("ADD", "COLUMN"), _add_column),
    (("ADD",), _add),
    (("DROP", "CONSTRAINT"), _drop_constraint),
    (("DROP", "COLUMN"), _drop_column),
    (("DROP",), _drop_column),
    (("VALIDATE", "CONSTRAINT"), lambda t, it: [Effect(Kind.VALIDATE, t, name=it.column())]),
    (("ALTER", "CONSTRAINT"), lambda t, it: [Effect(Kind.ALTER_CONSTRAINT, t, name=it.column())]),
    (("ALTER", "COLUMN"), _alter_column),
    (("ALTER",), _alter_column),
)
