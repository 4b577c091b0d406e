"""The summary of a branch as Markdown, for a comment in a pull request: short, and the same for the same branch."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ..lint.finding import Finding
from .summary import BranchSummary, RevisionSummary

# By this a workflow finds the comment that it has made before.
MARKER = "<!-- schema changes of this branch -->"
# A comment of GitHub's may have 65,536.
_LONGEST_COMMENT = 60_000
_MOST_REVISIONS, _MOST_LINES, _MOST_FINDINGS = 40, 8, 40
_LONGEST = 200
_TICKS = re.compile("`+")


def as_markdown(summary: BranchSummary) -> str:
    """Return the whole as Markdown, with a line's end."""
    heading = f"{MARKER}\n### Schema changes against {_code(summary.base)}"
    whole = "\n\n".join([heading, *_parts(summary)]) + "\n"
    if len(whole) <= _LONGEST_COMMENT:
        return whole
    return whole[: whole.rindex("\n", 0, _LONGEST_COMMENT)] + "\n\nThe rest is left out: `diff --json` has it.\n"


def _parts(summary: BranchSummary) -> Iterator[str]:
    yield _verdict(summary)
    if summary.revisions:
        yield "\n".join(_table(summary.revisions))
    lost = [f"{_code(loss)} ({_code(each.revision)})" for each in summary.revisions for loss in each.losses]
    if lost:
        yield _listed("**Loses data**", lost)
    if summary.findings:
        yield _listed("**Found by `lint`**", map(_finding, summary.findings))
    for title, names in (
        ("Edited, although the base has them: a database that has applied one will not run it again", summary.edited),
        ("Gone, although the base has them: a database that has applied one has no file for it", summary.removed),
        ("Come to the base since: rebase, or two revisions follow the same one", summary.missing),
    ):
        if names:
            yield _listed(f"**{title}**", map(_code, names))
    if summary.note:
        yield f"> {_text(summary.note)}"


def _verdict(summary: BranchSummary) -> str:
    if not summary.revisions:
        return f"No revision is new since {_code(summary.merge_base[:12])}."
    contract = sum(each.phase == "contract" for each in summary.revisions)
    losing = sum(bool(each.losses) for each in summary.revisions)
    counts = (
        _count(len(summary.revisions), "new revision"),
        f"{contract} contract" if contract else "none of them contract",
        f"{losing} may lose data" if losing else "no data is lost",
        _count(len(summary.findings), "finding"),
    )
    return ", ".join(counts) + "."


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}" + ("" if number == 1 else "s")


def _table(revisions: Sequence[RevisionSummary]) -> Iterator[str]:
    yield "| revision | phase | what it does | what waits meanwhile | work on rows |"
    yield "| --- | --- | --- | --- | --- |"
    for each in revisions[:_MOST_REVISIONS]:
        needs = [f"after the backfill {_code(name)}" for name in each.requires_backfills]
        does = [*map(_code, each.changes)] if each.is_readable else ["its SQL is not known without a database"]
        cells = (
            [_code(each.revision), _text(each.message)],
            [each.phase, *needs],
            does,
            [f"{lock.mode.stops} of {_code(lock.table)}" for lock in each.locks],
            [*map(_code, each.row_work)],
        )
        yield "| " + " | ".join(_cell(lines) for lines in cells) + " |"
    if len(revisions) > _MOST_REVISIONS:
        yield f"| and {len(revisions) - _MOST_REVISIONS} more | | | | |"


def _cell(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    # A bar would end the cell, in code too.
    return "<br>".join(filter(None, [*lines[:_MOST_LINES], *more])).replace("|", "\\|")


def _listed(title: str, items: Iterable[str]) -> str:
    lines = [f"- {item}" for item in items]
    more = [f"- and {len(lines) - _MOST_FINDINGS} more"] if len(lines) > _MOST_FINDINGS else []
    return "\n".join([f"{title}:", "", *lines[:_MOST_FINDINGS], *more])


def _finding(finding: Finding) -> str:
    where = f" in {_code(finding.revision)}" if finding.revision else ""
    line = f", line {finding.file_line}" if finding.file_line else ""
    sql = f": {_code(finding.sql)}" if finding.sql else ""
    return f"{_code(finding.rule)}{where}{line}{sql}<br>{_text(finding.message)}<br>→ {_text(finding.rewrite)}"


def _text(text: str) -> str:
    """Return the text on one line, without a meaning for Markdown, HTML or GitHub, which would tell a @name."""
    line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>&#~|@!])", lambda sign: f"&#{ord(sign[0])};", line)


def _code(text: str) -> str:
    """Return the text as code on one line, whatever signs it has."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    edge = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{edge}{line}{edge}{fence}"
