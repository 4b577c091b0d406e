"""The steps of a generated revision, in both directions, and how SQL is written into its file."""

import re
from collections.abc import Iterator, Sequence

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op, renderers
from alembic.operations.ops import ExecuteSQLOp, MigrateOperation

_WIDTH = 90
# `text()` takes these for parameters.
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w+(?!:))")


class Steps(MigrateOperation):
    """Everything that a revision does; `differences` describe why."""

    def __init__(
        self, up: Sequence[MigrateOperation], down: Sequence[MigrateOperation], differences: Sequence[str]
    ) -> None:
        self.up = up
        self.down = down
        self.differences = differences

    def reverse(self) -> "Steps":
        return Steps(self.down, self.up, self.differences)

    def to_diff_tuple(self) -> tuple[str, ...]:
        """Return what `check` shows."""
        return tuple(self.differences)


class Sql(ExecuteSQLOp):
    """A statement for which Alembic has no operation, or none that does the same."""


@renderers.dispatch_for(Steps)
def _render_steps(context: AutogenContext, steps: Steps) -> list[str]:
    return [line for step in steps.up for line in render_op(context, step)]


@renderers.dispatch_for(Sql)
def _render_sql(context: AutogenContext, step: Sql) -> str:  # noqa: ARG001 - Alembic's signature
    lines = _PARAMETER.sub(r"\\:", str(step.sqltext)).splitlines(keepends=True)
    return "op.execute(" + "\n".join(_literal(piece) for line in lines for piece in _pieces(line)) + ")"


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
