"""What the linter reports."""

import ast
from dataclasses import dataclass
from pathlib import Path

from ..sql.tokens import Statement

# Where squawk explains a rule.
READ_ON = "https://squawkhq.com/docs/{rule}"


@dataclass(frozen=True)
class Hit:
    """What is wrong, in which statement (None: in all of the revision), and the safe rewrite."""

    statement: Statement | None
    message: str
    rewrite: str


@dataclass(frozen=True)
class Finding:
    """What is wrong with a revision, or with all of them together: then `revision` is None.

    `line` counts from 1 in the revision's SQL, `file_line` in `file`; `sql` is the beginning of the statement.
    """

    revision: str | None
    file: str | None
    rule: str
    line: int | None
    sql: str | None
    message: str
    rewrite: str
    file_line: int | None = None


@dataclass(frozen=True)
class Report:
    """The ids of the revisions that were linted, the findings, and what could not be checked (`note`)."""

    linted: tuple[str, ...]
    findings: tuple[Finding, ...]
    note: str | None


def line_of_name(file: Path | str, name: str) -> int:
    """Return the line on which the file gives this name a value; the first line where that is not seen."""
    try:
        body = ast.parse(Path(file).read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError):
        return 1
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.lineno
    return 1
