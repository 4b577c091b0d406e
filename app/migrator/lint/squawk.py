"""squawk, the linter for PostgreSQL migrations: which of its rules are on, and what it says of a revision's SQL.

`alembic-squawk` on PyPI is not used: it runs `alembic upgrade --sql` in another process, splits the text at its
comments, and has suppressions without reasons.
"""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from ...postgres.errors import DatabaseError
from ..phase import Phase
from .known_schema import ParsedRevision

# The oldest server that is supported.
POSTGRESQL = "14"
_SECONDS = 60
# What squawk says of SQL that it cannot read is no rule of its own: it has no page, and cannot be left out.
SYNTAX_ERROR = "syntax-error"
NESTING = "transaction-nesting"


@dataclass(frozen=True)
class Choice:
    """Rules that are switched off, or on although squawk leaves them off, in revisions of these phases, and why."""

    rules: tuple[str, ...]
    why: str
    phases: tuple[Phase, ...] = tuple(Phase)


OFF = (
    Choice(
        ("require-lock-timeout", "require-statement-timeout"),
        "every migration has both: DB_MIGRATE_LOCK_TIMEOUT, DB_MIGRATE_STATEMENT_TIMEOUT",
    ),
    Choice(
        ("prefer-robust-stmts",),
        "a revision that fails is rolled back; an index of CONCURRENTLY that was half built is built again",
    ),
    Choice(
        ("adding-not-nullable-field",),
        "not-null-without-check knows the checks of earlier revisions, which squawk does not see",
    ),
    Choice(
        (
            "ban-drop-column",
            "ban-drop-constraint",
            "ban-drop-default",
            "ban-drop-domain",
            "ban-drop-extension",
            "ban-drop-function",
            "ban-drop-not-null",
            "ban-drop-schema",
            "ban-drop-sequence",
            "ban-drop-table",
            "ban-drop-trigger",
            "ban-drop-type",
            "ban-drop-view",
            "ban-new-write-restriction",
            "ban-set-schema",
            "renaming-column",
            "renaming-object",
            "renaming-table",
        ),
        "what the previous release can bear is a matter of the phase: contract-step-in-expand",
    ),
    Choice(
        ("adding-required-field",),
        "contract-step-in-expand says it; in a contract revision it fails on a table with rows",
        (Phase.EXPAND,),
    ),
)
ON = (
    Choice(
        (
            "ban-alter-database-options",
            "ban-alter-extension",
            "ban-alter-function-options",
            "ban-alter-generated-expression",
            "ban-alter-identity",
            "ban-alter-policy-condition",
            "ban-alter-policy-roles",
            "ban-alter-role-options",
            "ban-alter-row-level-security",
            "ban-alter-sequence-values",
            "ban-alter-system-options",
            "ban-alter-view-options",
            "ban-create-policy",
            "ban-detach-inheritance",
            "ban-disable-trigger",
            "ban-drop-policy",
            "ban-replace-view-function",
            "ban-replica-identity",
            "ban-revoke",
        ),
        "they change what the previous release may do or gets, and contract-step-in-expand does not read them",
        (Phase.EXPAND,),
    ),
)


class SquawkError(DatabaseError):
    """squawk is not installed, or failed."""

    exit_code = 2


class Complaint(msgspec.Struct, frozen=True):
    """One element of squawk's JSON; `line` counts from 0."""

    file: str
    line: int
    rule_name: str
    message: str
    help: str | None


def complaints(revisions: Sequence[ParsedRevision]) -> dict[str, list[Complaint]]:
    """Return squawk's complaints by the revisions' ids; `line` counts from 1 in the SQL. Raises SquawkError."""
    found: dict[str, list[Complaint]] = {revision.script.revision: [] for revision in revisions}
    program = _program()
    with TemporaryDirectory(prefix="plimsoll-lint-") as folder:
        for phase in Phase:
            files = [
                _write(revision, Path(folder)) for revision in revisions if revision.phase is phase and revision.sql
            ]
            for complaint in _ask(program, files, phase, Path(folder)) if files else ():
                found[Path(complaint.file).stem].append(complaint)
    return found


def is_rule(name: str) -> bool:
    return name == SYNTAX_ERROR or _run(_program(), [f"--exclude={name}"], Path.cwd()).returncode == 0


def _write(revision: ParsedRevision, folder: Path) -> str:
    """Write the revision's SQL into a file, and return its name.

    The SQL of an autocommit_block() has a COMMIT and BEGIN of its own.
    """
    # squawk takes comments for suppressions, which would have no reason.
    sql = (revision.sql or "").replace("squawk-", "squawk_")
    # squawk counts lines from 0: with BEGIN before it, the SQL's first line is number 1.
    (folder / f"{revision.script.revision}.sql").write_text(f"BEGIN;\n{sql}\nCOMMIT;\n", encoding="utf-8")
    return f"{revision.script.revision}.sql"


def _ask(program: str, files: Sequence[str], phase: Phase, folder: Path) -> list[Complaint]:
    options = ["--pg-version", POSTGRESQL, "--reporter", "json"]
    for option, choices in (("--exclude", OFF), ("--include", ON)):
        rules = [rule for choice in choices if phase in choice.phases for rule in choice.rules]
        options += [option, ",".join(rules)] if rules else []
    result = _run(program, [*options, "--", *files], folder)
    try:
        return msgspec.json.decode(result.stdout, type=list[Complaint])
    except msgspec.DecodeError:
        raise SquawkError(f"squawk failed (exit code {result.returncode}): {result.stderr.strip()}") from None


def _run(program: str, arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # In a folder without a .squawk.toml, and with nothing to read on standard input.
    return subprocess.run(  # noqa: S603 - a program of ours
        [program, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )


def _program() -> str:
    # Beside the interpreter first: an environment that is not activated is not on the PATH.
    places = [sysconfig.get_path("scripts"), os.environ.get("PATH", "")]
    program = shutil.which("squawk", path=os.pathsep.join(places))
    if program is None:
        raise SquawkError(
            "squawk is not installed. Linting is for development, and production does without it:"
            " `pip install squawk-cli`."
        )
    return program
