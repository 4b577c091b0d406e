"""The command `lint`."""

import gc
import sys

import rich_click as click
from click import get_current_context
from rich.console import Console
from rich.text import Text

from ..lint.explanations import explain as explain_rule
from ..lint.finding import Finding, Report
from ..lint.formats import FORMATS
from ..lint.linter import lint as lint_revisions
from .options import as_json, current_config
from .rows import row_console


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("revisions", nargs=-1, metavar="[REV]…")
@click.option("--all", "every", is_flag=True, help="Every revision, whatever is applied.")
@click.option(
    "--base", metavar="BRANCH", help="Those that are new against a branch or commit, by git; no database is asked."
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", *FORMATS]),
    default="text",
    help="github: annotations of a pull request; sarif: code scanning; junit: test results.",
)
@click.option("--explain", metavar="RULE", help="Say what a rule finds, why, and the safe rewrite.")
@as_json
def lint(
    revisions: tuple[str, ...], every: bool, base: str | None, output: str, explain: str | None, as_json: bool
) -> None:
    """Look for what would break the previous release, or stop traffic, in revisions before they are applied.

    REV is a revision, its file, or a range FROM:TO: what an upgrade from FROM to TO would run. With none, the revisions
    that the database of MIGRATION_DATABASE_URL or DATABASE_URL has not applied; where neither is set, all. No database
    is needed and none is started: the SQL of each revision goes through squawk and through rules of our own.

    What is fine all the same is said in the revision's file, with the reason: lint_ignore = {"rule": "reason"}.

    Exit codes: 0 nothing found; 1 something was; 2 an unknown revision or branch, a wrong option or setting, or squawk
    is not installed (it is a development tool); 3 the revisions cannot be read.
    """
    if explain:
        click.echo("\n".join(explain_rule(explain)))
        return
    if bool(revisions) + every + (base is not None) > 1:
        raise click.UsageError("Either name revisions, or say --all, or --base BRANCH.")
    if as_json and output not in {"text", "json"}:
        raise click.UsageError(f"Either --json, or --format {output}.")
    _collect_no_garbage()
    report = lint_revisions(current_config(), revisions, every=every, base=base)
    if report.note:
        click.echo(report.note, err=True)
    if as_json or output != "text":
        sys.stdout.write(FORMATS["json" if as_json else output](report) + "\n")
    else:
        _show(report, row_console())
    sys.exit(1 if report.findings else 0)


def _collect_no_garbage() -> None:
    """Leave what thousands of revisions make until the process ends: looking through it takes a fifth of the time."""

    def freeze() -> None:
        gc.freeze()
        gc.enable()

    gc.disable()
    get_current_context().call_on_close(freeze)


def _show(report: Report, console: Console) -> None:
    shown = None
    for finding in report.findings:
        if finding.revision != shown:
            console.print(f"[bold]{finding.revision or 'all revisions'}[/]  ", end="")
            console.print(finding.file or "", markup=False)
            shown = finding.revision
        # A terminal gets lines that fit; to fit them takes longest of thousands.
        console.print(_as_text(finding), soft_wrap=not console.is_terminal)
    console.print(f"{len(report.linted)} revision(s) linted: {len(report.findings) or 'no'} finding(s)")


def _as_text(finding: Finding) -> Text:
    where = f", line {finding.file_line}" if finding.file_line else ""
    where += f" (line {finding.line} of its SQL)" if finding.line else ""
    sql = ((f"\n    {finding.sql}", "dim"),) if finding.sql else ()
    # As one: to print is what takes longest of thousands of findings.
    return Text.assemble(
        "  ", (finding.rule, "yellow"), where, *sql, f"\n    {finding.message}\n    → {finding.rewrite}"
    )
