"""What a revision does to tables and columns, read from the SQL that it prints offline: nothing is run."""

import io
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

if TYPE_CHECKING:
    from sqlglot import Expr

Direction = Literal["upgrade", "downgrade"]


class Kind(StrEnum):
    CREATE_TABLE = "create table"
    DROP_TABLE = "drop table"
    RENAME_TABLE = "rename table"
    DROP_COLUMN = "drop column"
    RENAME_COLUMN = "rename column"
    CHANGE_TYPE = "change type"
    SET_NOT_NULL = "set not null"
    DROP_OTHER = "drop"
    TRUNCATE = "truncate"
    DELETE = "delete rows"
    OPAQUE = "a block of code"


# After these, what the table or column held is gone.
LOSES_DATA = frozenset({Kind.DROP_TABLE, Kind.DROP_COLUMN, Kind.TRUNCATE, Kind.DELETE})


@dataclass(frozen=True)
class Effect:
    """`table` is the name as PostgreSQL stores it (of DROP_OTHER the object's); `renamed_to` is of the RENAME kinds."""

    kind: Kind
    table: str
    column: str | None = None
    renamed_to: str | None = None

    def __str__(self) -> str:
        name = f"{self.table}.{self.column}" if self.column else self.table
        return f"{self.kind} {name}" + (f" to {self.renamed_to}" if self.renamed_to else "")


def offline_sql(script: Script, direction: Direction = "upgrade") -> str | None:
    """The revision's SQL; None where it cannot be run offline, because it wants to look at the database."""
    buffer = io.StringIO()
    offline = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "literal_binds": True, "output_buffer": buffer}
    )
    try:
        with Operations.context(offline):
            getattr(script.module, direction)()
    except Exception:  # noqa: BLE001 - whatever a maintainer's revision raises, the answer is the same
        return None
    return buffer.getvalue()


def effects_of(revisions: Iterable[Script], direction: Direction = "upgrade") -> tuple[Effect, ...] | None:
    """What these revisions do, in their order; None where one of them cannot be run offline."""
    found: list[Effect] = []
    for script in revisions:
        sql = offline_sql(script, direction)
        if sql is None:
            return None
        found.extend(read_sql(sql))
    return tuple(found)


def read_sql(sql: str) -> Iterator[Effect]:
    """The effects of the statements in `sql`, in order; OPAQUE for one that cannot be read."""
    # Imported here because it takes as long as all of Alembic, and a server at head has no use for it.
    import sqlglot  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    # It warns of each statement that it takes as a whole, with the statement's text.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    for statement in split_sql(sql):
        try:
            yield from _effects(sqlglot.parse_one(statement, dialect="postgres"))
        except SqlglotError:
            yield Effect(Kind.OPAQUE, " ".join(statement.split()[:2]))


def split_sql(sql: str) -> Iterator[str]:
    """The statements of `sql`, without the semicolons between them; comments, strings and $$ are understood."""
    from sqlglot import Dialect, TokenType  # noqa: PLC0415

    start: int | None = None
    end = 0
    for token in Dialect.get_or_raise("postgres").tokenize(sql):
        if token.token_type is TokenType.SEMICOLON:
            if start is not None:
                yield sql[start:end]
            start = None
        else:
            start, end = (token.start if start is None else start), token.end + 1
    if start is not None:
        yield sql[start:end]


def _effects(statement: "Expr") -> Iterator[Effect]:
    from sqlglot import exp  # noqa: PLC0415

    match statement:
        case exp.Create(kind="TABLE"):
            yield Effect(Kind.CREATE_TABLE, _table(statement))
        case exp.Drop():
            yield from _drops(statement)
        case exp.Alter(kind="TABLE"):
            for action in statement.args["actions"]:
                yield from _altered(_table(statement), action)
        case exp.TruncateTable():
            yield from (Effect(Kind.TRUNCATE, name) for name in _names(statement.expressions))
        case exp.Delete():
            yield Effect(Kind.DELETE, _table(statement))
        case exp.Command():
            yield from _as_a_whole(statement)


def _drops(statement: "Expr") -> Iterator[Effect]:
    kind = str(statement.args["kind"])
    # An index or a constraint is not what the previous release's statements name.
    if kind == "INDEX":
        return
    for name in _names(statement.args.get("tables") or [statement.this]):
        yield Effect(Kind.DROP_TABLE if kind == "TABLE" else Kind.DROP_OTHER, name)


def _altered(table: str, action: "Expr") -> Iterator[Effect]:
    from sqlglot import exp  # noqa: PLC0415

    match action:
        case exp.AlterRename():
            yield Effect(Kind.RENAME_TABLE, table, renamed_to=action.this.name)
        case exp.RenameColumn():
            yield Effect(Kind.RENAME_COLUMN, table, action.this.name, action.args["to"].name)
        case exp.Drop() if action.args.get("kind") == "COLUMN":
            for name in _names(action.args.get("tables") or [action.this]):
                yield Effect(Kind.DROP_COLUMN, table, name)
        case exp.AlterColumn() if action.args.get("dtype"):
            yield Effect(Kind.CHANGE_TYPE, table, action.name)
        case exp.AlterColumn() if action.args.get("allow_null") is False:
            yield Effect(Kind.SET_NOT_NULL, table, action.name)


def _as_a_whole(statement: "Expr") -> Iterator[Effect]:
    """Statements that the parser does not take apart."""
    head, _, rest = f"{statement.this} {statement.expression}".strip().partition(" ")
    if head.upper() == "DO":
        yield Effect(Kind.OPAQUE, "DO")
    elif head.upper() == "ALTER" and " SET SCHEMA " in f" {rest.upper()} ":
        yield Effect(Kind.RENAME_TABLE, rest.split()[1].strip('"'), renamed_to=rest.split()[-1])


def _table(statement: "Expr") -> str:
    from sqlglot import exp  # noqa: PLC0415

    table = statement.find(exp.Table)
    return _names([table])[0] if table else ""


def _names(items: Iterable["Expr"]) -> list[str]:
    from sqlglot import exp  # noqa: PLC0415

    names = []
    for item in items:
        identifier = item.find(exp.Identifier) if not isinstance(item, exp.Table) else item.this
        quoted = bool(identifier and identifier.args.get("quoted"))
        # PostgreSQL folds what is not quoted.
        name = item.name or item.text("db")
        names.append(name if quoted else name.lower())
    return names
