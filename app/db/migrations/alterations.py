"""What ALTER TABLE does, action by action."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from app.db.migrations.kinds import Effect, Kind
from app.db.migrations.parsing import Cursor

_CONSTRAINTS = frozenset({"CHECK", "EXCLUDE", "FOREIGN", "NOT", "PRIMARY", "UNIQUE"})
# An IDENTITY or a generated column has what it needs without the INSERT.
_DEFAULTS = frozenset({"DEFAULT", "GENERATED", "SERIAL", "BIGSERIAL", "SMALLSERIAL"})


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


def _nothing(table: str, action: Cursor) -> Iterator[Effect]:  # noqa: ARG001 - as the others
    return iter(())


def _rename_table(table: str, action: Cursor) -> Iterator[Effect]:
    yield Effect(Kind.RENAME_TABLE, table, renamed_to=action.name())


def _set_schema(table: str, action: Cursor) -> Iterator[Effect]:
    yield Effect(Kind.RENAME_TABLE, table, renamed_to=f"{action.name()}.{table}")


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
    action.skip_if_exists()
    column = action.name()
    words = action.outside_groups()
    yield Effect(Kind.ADD_COLUMN, table, column)
    if _DEFAULTS & set(words):
        yield Effect(Kind.SET_DEFAULT, table, column)
    pairs = set(pairwise(words))
    if {("NOT", "NULL"), ("PRIMARY", "KEY")} & pairs:
        yield Effect(Kind.SET_NOT_NULL, table, column)


def _add_named(table: str, action: Cursor) -> Iterator[Effect]:
    yield from _add_constraint(table, action.name(), action)


def _add_unnamed(table: str, action: Cursor) -> Iterator[Effect]:
    yield from _add_constraint(table, "", action)


def _add_constraint(table: str, name: str, action: Cursor) -> Iterator[Effect]:
    # What the index already holds the rows to.
    if action.comes("UNIQUE", "USING", "INDEX"):
        return
    keyword = action.left[0].keyword if action else ""
    valid = action.outside_groups()[-2:] != ["NOT", "VALID"]
    if column := _not_null_column(action):
        # As PostgreSQL names it, so that it is known when it is validated.
        name = name or f"{table}_{column}_{'not_null' if keyword == 'NOT' else 'check'}"
        yield Effect(Kind.ADD_NOT_NULL_CHECK, table, column, name=name)
    else:
        # Which columns a CHECK or an EXCLUDE is about is a matter of expressions.
        columns = action.group().column_names() if keyword in {"FOREIGN", "PRIMARY", "UNIQUE"} else ()
        yield Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=columns)
    if valid:
        yield Effect(Kind.VALIDATE, table, name=name)


def _not_null_column(action: Cursor) -> str | None:
    """The column of `CHECK (column IS NOT NULL)` or, since PostgreSQL 18, of `NOT NULL column`."""
    if action.skip("NOT", "NULL"):
        return action.name()
    if not action.comes("CHECK"):
        return None
    # A copy, for whoever reads on.
    inner = Cursor(action.left).group()
    while inner.comes("("):
        inner = inner.group()
    column = inner.name()
    return column if inner.skip("IS", "NOT", "NULL") and not inner else None


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


# Of what follows ALTER COLUMN and the name.
_CHANGES: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("TYPE",), Kind.CHANGE_TYPE),
    (("SET", "DATA", "TYPE"), Kind.CHANGE_TYPE),
    (("SET", "NOT", "NULL"), Kind.SET_NOT_NULL),
    (("DROP", "NOT", "NULL"), Kind.DROP_NOT_NULL),
    (("SET", "DEFAULT"), Kind.SET_DEFAULT),
    (("ADD", "GENERATED"), Kind.SET_DEFAULT),
    (("DROP", "DEFAULT"), Kind.DROP_DEFAULT),
    (("DROP", "IDENTITY"), Kind.DROP_DEFAULT),
    (("DROP", "EXPRESSION"), Kind.DROP_DEFAULT),
)
# The first that fits; COLUMN may be left out everywhere.
_ACTIONS: tuple[tuple[tuple[str, ...], Callable[[str, Cursor], Iterator[Effect]]], ...] = (
    (("RENAME", "TO"), _rename_table),
    (("RENAME", "CONSTRAINT"), _rename_constraint),
    (("RENAME", "COLUMN"), _rename_column),
    (("RENAME",), _rename_column),
    (("SET", "SCHEMA"), _set_schema),
    (("ADD", "CONSTRAINT"), _add_named),
    (("ADD", "COLUMN"), _add_column),
    (("ADD",), _add),
    (("DROP", "CONSTRAINT"), _drop_constraint),
    (("DROP", "COLUMN"), _drop_column),
    (("DROP",), _drop_column),
    (("VALIDATE", "CONSTRAINT"), _validate),
    (("ALTER", "CONSTRAINT"), _nothing),
    (("ALTER", "COLUMN"), _alter_column),
    (("ALTER",), _alter_column),
)
