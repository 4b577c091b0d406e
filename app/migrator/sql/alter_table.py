"""What ALTER TABLE does, action by action."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from app.migrator.sql.effect import Effect, Kind
from app.migrator.sql.tokens import Cursor, Word, beside, qualified

# Of NULL and anything they make NULL, with which a check is content.
_COMPARISONS = frozenset(
    {"=", "<>", "!=", "<", "<=", ">", ">=", "(", ")", ",", "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE"}
)
_NOT_COLUMNS = frozenset({"NULL", "TRUE", "FALSE", "IS", "CASE", "ISNULL", "NOTNULL"})
_CONSTRAINTS = frozenset({"CHECK", "EXCLUDE", "FOREIGN", "NOT", "PRIMARY", "UNIQUE"})
# An IDENTITY or a generated column has what it needs without the INSERT.
_DEFAULTS = frozenset({"DEFAULT", "GENERATED", "SERIAL", "BIGSERIAL", "SMALLSERIAL"})
# Of a unique index or constraint that two NULLs break.
NULL_COUNTS = ("NULLS", "NOT", "DISTINCT")


def alterations(cursor: Cursor) -> Iterator[Effect]:
    """The effects of what follows `ALTER TABLE`."""
    cursor.skip_if_exists()
    cursor.skip("ONLY")
    table = cursor.name()
    cursor.skip("*")
    for action in cursor.parts():
        for keywords, read in _ACTIONS:
            if action.skip(*keywords):
                yield from read(table, action)
                break


def _rename_table(table: str, action: Cursor) -> Iterator[Effect]:
    yield Effect(Kind.RENAME_TABLE, table, renamed_to=beside(table, action.name()))


def _set_schema(table: str, action: Cursor) -> Iterator[Effect]:
    yield Effect(Kind.RENAME_TABLE, table, renamed_to=qualified(action.name(), table.rpartition(".")[2]))


def _rewrite(table: str, action: Cursor) -> Iterator[Effect]:  # noqa: ARG001 - as the others
    yield Effect(Kind.REWRITE, table)


def _attach(table: str, action: Cursor) -> Iterator[Effect]:  # noqa: ARG001 - as the others
    yield Effect(Kind.ATTACH_PARTITION, action.name())


def _rename_column(table: str, action: Cursor) -> Iterator[Effect]:
    column = action.name()
    action.skip("TO")
    yield Effect(Kind.RENAME_COLUMN, table, column, renamed_to=action.name())


def _rename_constraint(table: str, action: Cursor) -> Iterator[Effect]:
    name = action.name()
    action.skip("TO")
    yield Effect(Kind.RENAME_CONSTRAINT, table, name=name, renamed_to=action.name())


def _add(table: str, action: Cursor) -> Iterator[Effect]:
    is_constraint = bool(action) and action.left[0].keyword in _CONSTRAINTS
    yield from (_add_unnamed if is_constraint else _add_column)(table, action)


def _add_column(table: str, action: Cursor) -> Iterator[Effect]:
    may_exist = action.skip_if_exists()
    column = action.name()
    pairs = set(pairwise(["", *action.outside_groups()]))
    yield Effect(Kind.ADD_COLUMN, table, column, may_exist=may_exist)
    # DEFAULT NULL is none, and ON DELETE SET DEFAULT is not the column's.
    if any(word in _DEFAULTS and before != "SET" for before, word in pairs) and ("DEFAULT", "NULL") not in pairs:
        yield Effect(Kind.SET_DEFAULT, table, column)
    if {("NOT", "NULL"), ("PRIMARY", "KEY")} & pairs:
        yield Effect(Kind.SET_NOT_NULL, table, column)
    yield from _constraints_of_column(table, column, action)


def _constraints_of_column(table: str, column: str, action: Cursor) -> Iterator[Effect]:
    """Those that are written behind the column's type."""
    while action:
        if action.skip("CHECK"):
            effect = _check(table, "", action.group())
            yield from (effect, Effect(Kind.VALIDATE, table, name=effect.name))
        elif action.skip("UNIQUE"):
            yield Effect(Kind.ADD_CONSTRAINT, table, name="", columns=() if action.has(*NULL_COUNTS) else (column,))
        elif action.skip("REFERENCES"):
            yield Effect(Kind.ADD_CONSTRAINT, table, name="", columns=(column,))
        else:
            action.pop()


def _add_named(table: str, action: Cursor) -> Iterator[Effect]:
    yield from _add_constraint(table, action.name(), action)


def _add_unnamed(table: str, action: Cursor) -> Iterator[Effect]:
    yield from _add_constraint(table, "", action)


def _add_constraint(table: str, name: str, action: Cursor) -> Iterator[Effect]:
    # What the index already holds the rows to.
    if action.comes("UNIQUE", "USING", "INDEX"):
        return
    valid = action.outside_groups()[-2:] != ["NOT", "VALID"]
    effect = _constraint(table, name, action)
    yield effect
    if valid:
        yield Effect(Kind.VALIDATE, table, name=effect.name)


def _constraint(table: str, name: str, action: Cursor) -> Effect:
    if action.skip("CHECK"):
        return _check(table, name, action.group())
    # Since PostgreSQL 18.
    if action.skip("NOT", "NULL"):
        return _not_null(table, name, action.name(), "not_null")
    # Which columns an EXCLUDE is about is a matter of expressions.
    has_columns = bool(action) and action.left[0].keyword in {"FOREIGN", "PRIMARY", "UNIQUE"}
    null_counts = action.has(*NULL_COUNTS)
    columns = action.group().column_names() if has_columns and not null_counts else ()
    return Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=columns)


def _check(table: str, name: str, condition: Cursor) -> Effect:
    while condition.comes("("):
        condition = condition.group()
    if [word.keyword for word in condition.left[1:]] == ["IS", "NOT", "NULL"]:
        return _not_null(table, name, condition.name(), "check")
    return Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=_compared(condition.left))


def _not_null(table: str, name: str, column: str, kind: str) -> Effect:
    # As PostgreSQL names it, so that it is known when it is validated.
    return Effect(Kind.ADD_NOT_NULL_CHECK, table, column, name=name or f"{table}_{column}_{kind}")


def _compared(condition: Sequence[Word]) -> tuple[str, ...]:
    """The columns of a condition that holds where they are NULL; none where that cannot be said."""
    names = [word for word in condition if not (word.literal or word.keyword in _COMPARISONS or word.text.isdigit())]
    is_plain = all(word.quoted or (word.text.isidentifier() and word.keyword not in _NOT_COLUMNS) for word in names)
    is_call = any(word in names and after.keyword == "(" for word, after in pairwise(condition))
    return tuple(dict.fromkeys(word.name for word in names)) if is_plain and not is_call else ()


def _alter_constraint(table: str, action: Cursor) -> Iterator[Effect]:
    yield Effect(Kind.ALTER_CONSTRAINT, table, name=action.name())


def _validate(table: str, action: Cursor) -> Iterator[Effect]:
    yield Effect(Kind.VALIDATE, table, name=action.name())


def _drop_constraint(table: str, action: Cursor) -> Iterator[Effect]:
    action.skip_if_exists()
    yield Effect(Kind.DROP_CONSTRAINT, table, name=action.name())


def _drop_column(table: str, action: Cursor) -> Iterator[Effect]:
    action.skip_if_exists()
    yield Effect(Kind.DROP_COLUMN, table, action.name())


def _alter_column(table: str, action: Cursor) -> Iterator[Effect]:
    column = action.name()
    for keywords, kind in _CHANGES:
        if action.skip(*keywords):
            yield Effect(kind, table, column)
            break


def renaming(name: str, cursor: Cursor) -> Iterator[Effect]:
    """Of what is neither table nor index; `cursor` is behind its name."""
    if cursor.comes("RENAME") or cursor.comes("SET", "SCHEMA"):
        yield Effect(Kind.RENAME_OTHER, name, renamed_to=cursor.left[-1].name)


def type_alterations(cursor: Cursor) -> Iterator[Effect]:
    """The effects of what follows `ALTER TYPE`: attributes of a composite type are as columns."""
    name = cursor.name()
    yield from renaming(name, cursor)
    for action in cursor.parts():
        if action.skip("DROP", "ATTRIBUTE"):
            yield from _drop_column(name, action)
        elif action.skip("ALTER", "ATTRIBUTE"):
            yield Effect(Kind.CHANGE_TYPE, name, action.name())


def domain_alterations(cursor: Cursor) -> Iterator[Effect]:
    """The effects of what follows `ALTER DOMAIN`, which are those on every column of its type."""
    name = cursor.name()
    yield from renaming(name, cursor)
    yield from (Effect(kind, name) for keywords, kind in _OF_DOMAIN if cursor.comes(*keywords))


_OF_DOMAIN: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("SET", "NOT", "NULL"), Kind.SET_NOT_NULL),
    (("DROP", "NOT", "NULL"), Kind.DROP_NOT_NULL),
    (("DROP", "DEFAULT"), Kind.DROP_DEFAULT),
    (("ADD",), Kind.ADD_CONSTRAINT),
    (("DROP", "CONSTRAINT"), Kind.DROP_CONSTRAINT),
)
# Of what follows ALTER COLUMN and the name; the first that fits.
_CHANGES: tuple[tuple[tuple[str, ...], Kind], ...] = (
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
# The first that fits; COLUMN may be left out everywhere.
_ACTIONS: tuple[tuple[tuple[str, ...], Callable[[str, Cursor], Iterator[Effect]]], ...] = (
    (("RENAME", "TO"), _rename_table),
    (("RENAME", "CONSTRAINT"), _rename_constraint),
    (("RENAME", "COLUMN"), _rename_column),
    (("RENAME",), _rename_column),
    (("SET", "SCHEMA"), _set_schema),
    (("SET", "LOGGED"), _rewrite),
    (("SET", "UNLOGGED"), _rewrite),
    (("SET", "ACCESS", "METHOD"), _rewrite),
    (("SET", "TABLESPACE"), _rewrite),
    # ALTER TABLE ALL IN TABLESPACE … SET TABLESPACE
    (("IN", "TABLESPACE"), _rewrite),
    (("ATTACH", "PARTITION"), _attach),
    (("ADD", "CONSTRAINT"), _add_named),
    (("ADD", "COLUMN"), _add_column),
    (("ADD",), _add),
    (("DROP", "CONSTRAINT"), _drop_constraint),
    (("DROP", "COLUMN"), _drop_column),
    (("DROP",), _drop_column),
    (("VALIDATE", "CONSTRAINT"), _validate),
    (("ALTER", "CONSTRAINT"), _alter_constraint),
    (("ALTER", "COLUMN"), _alter_column),
    (("ALTER",), _alter_column),
)
