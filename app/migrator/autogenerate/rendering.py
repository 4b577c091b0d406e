"""How the operations of generated revisions are written into their files."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op, renderers
from alembic.operations.ops import ExecuteSQLOp, MigrateOperation

from ..drift.difference import Statement

_WIDTH = 90
# `text()` takes these for parameters.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")


class Sql(ExecuteSQLOp):
    """A statement for which Alembic has no operation, or none that does the same."""

    def __init__(self, sql: str) -> None:
        super().__init__(sql)


def in_transaction(statements: Iterable[Statement]) -> tuple[Sql, ...]:
    """Return the statements as operations of a revision that is one transaction."""
    return tuple(Sql(statement.sql.replace(" CONCURRENTLY ", " ", 1)) for statement in statements)


class InAutocommit(MigrateOperation):
    """Operations that run outside of a transaction."""

    def __init__(self, *operations: MigrateOperation) -> None:
        self.operations: Sequence[MigrateOperation] = operations


@renderers.dispatch_for(InAutocommit)
def _render_in_autocommit(context: AutogenContext, block: InAutocommit) -> str:
    lines = [line for operation in block.operations for line in render_op(context, operation)]
    body = textwrap.indent("\n".join(lines), "    ")
    return f"with op.get_context().autocommit_block():\n{body}"


@renderers.dispatch_for(Sql)
def _render_sql(context: AutogenContext, step: Sql) -> str:  # noqa: ARG001 - Alembic's signature
    lines = _PARAMETER.sub(r"\\:", str(step.sqltext)).splitlines(keepends=True)
    return "op.execute(" + "\n".join(python_literals(line) for line in lines) + ")"


def python_literals(line: str) -> str:
    """Return the text as string literals of Python, each short enough for a line, that follow each other."""
    return "\n".join(_literal(piece) for piece in _pieces(line))


def _pieces(line: str) -> Iterator[str]:
    piece = ""
    for word in re.findall(r"\S+\s*|^\s+", line):
        if piece and len(piece) + len(word) > _WIDTH:
            yield piece
            piece = ""
        piece += word
    yield piece


def _literal(line: str) -> str:
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'
