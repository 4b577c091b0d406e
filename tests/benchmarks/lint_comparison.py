"""`uv run python -m tests.benchmarks.lint_comparison`: what linters find in the table of unsafe operations."""

import json
import os
import re
import subprocess
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from app.migrator.lint.squawk import POSTGRESQL
from tests.support.processes import BIN
from tests.support.unsafe_operations import OPERATIONS, SCHEMA, UNSAFE, code_of, found, parsed

_SECONDS = 300
_ROW = re.compile(r"r(\d{3})_\d+")
# What is said of more of the safe ways than this is said of everything: that a limit is not set, or no way back.
_SAID_OF_EVERYTHING = 1 / 4
_HEADER = "| linter | unsafe ones found | safe ways found |\n| --- | --- | --- |"
_REVISION = '''"""A step."""

import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = {before!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{upgrade}

def downgrade() -> None:
    pass
'''
_ENV = """
from alembic import context

context.configure(dialect_name="postgresql", literal_binds=True)
with context.begin_transaction():
    context.run_migrations()
"""
# The number of a row, and the rule that has found something in it.
Complaint = tuple[int, str]


@dataclass(frozen=True)
class Compared:
    """How many of the unsafe operations a linter finds, and in how many of the safe ways."""

    linter: str
    found: int
    alarms: int
    unsafe: int = UNSAFE
    safe: int = len(OPERATIONS) - UNSAFE

    def as_markdown(self) -> str:
        return f"| {self.linter} | {self.found} of {self.unsafe} | {self.alarms} of {self.safe} |"


def compare(tools: Path | None) -> list[Compared]:
    """Return what each finds: ours, squawk alone, and the programs in the folder `tools`."""
    compared = [_counted("ours", [(row, rule) for row, rules in found().items() for rule in rules])]
    with TemporaryDirectory(prefix="lint-comparison-") as folder:
        compared.append(_counted(f"squawk alone ({version('squawk-cli')})", _squawk(Path(folder))))
        if tools is not None:
            project = _write_project(Path(folder))
            compared.extend(_counted(tool.shown(tools), tool.run(tools, project)) for tool in TOOLS)
    return compared


def _counted(linter: str, complaints: list[Complaint]) -> Compared:
    rows: dict[str, set[int]] = defaultdict(set)
    for row, rule in complaints:
        rows[rule].add(row)
    alarms = Counter({rule: sum(row >= UNSAFE for row in of) for rule, of in rows.items()})
    most = _SAID_OF_EVERYTHING * (len(OPERATIONS) - UNSAFE)
    counted = {row for rule, of in rows.items() if alarms[rule] <= most for row in of}
    return Compared(linter, sum(row < UNSAFE for row in counted), sum(row >= UNSAFE for row in counted))


def _squawk(folder: Path) -> list[Complaint]:
    """Return what squawk says of each revision's SQL by its own defaults."""
    for number, operation in enumerate(OPERATIONS):
        for place, revision in enumerate(parsed(number, operation)):
            sql = f"BEGIN;\n{revision.sql or ''}\nCOMMIT;\n"
            (folder / f"r{number:03}_{place}.sql").write_text(sql)
    files = sorted(file.name for file in folder.glob("*.sql"))
    command = [str(BIN / "squawk"), "--pg-version", POSTGRESQL, "--reporter", "json", "--", *files]
    return [(_row(each["file"]), each["rule_name"]) for each in json.loads(_output(command, folder))]


def _row(file: str) -> int:
    (row,) = _ROW.findall(file)
    return int(row)


@dataclass(frozen=True)
class Tool:
    """A linter of Alembic's revisions: its package, its command in a project's folder, and what reads its output."""

    package: str
    command: tuple[str, ...]
    read: Callable[[str], Iterator[Complaint]]

    def shown(self, tools: Path) -> str:
        code = f"from importlib.metadata import version; print(version({self.package!r}))"
        return f"{self.package} ({_output([str(tools / 'python'), '-c', code], tools).strip()})"

    def run(self, tools: Path, project: Path) -> list[Complaint]:
        output = _output([str(tools / self.command[0]), *self.command[1:]], project)
        # The schema is row 0 there.
        return [(row - 1, rule) for row, rule in self.read(output) if row]


def _guard(output: str) -> Iterator[Complaint]:
    yield from ((_row(each["path"]), each["rule"]) for each in json.loads(output))


def _alembic_lint(output: str) -> Iterator[Complaint]:
    row = 0
    for line in output.splitlines():
        if "... " in line:
            row = _row(line)
        elif line.startswith("\t"):
            yield row, line.strip()


def _migrationiq(output: str) -> Iterator[Complaint]:
    row = 0
    for line in output.splitlines():
        if _ROW.search(line):
            row = _row(line)
        elif told := re.match(r"\s+● \w+\s+(.*)", line):
            yield row, told[1]


def _oneport(output: str) -> Iterator[Complaint]:
    yield from ((_row(each["location"]["file"]), each["rule_id"]) for each in json.loads(output)["findings"])


def _zdm(output: str) -> Iterator[Complaint]:
    yield from ((_row(each["path"]), each["rule_id"]) for each in json.loads(output)["diagnostics"])


_VERSIONS = "migrations/versions"
TOOLS = (
    Tool("alembic-guard", ("alembic-guard", "--format", "json", _VERSIONS), _guard),
    Tool("alembic-migration-linter", ("alembic-lint", "--dialect", "postgresql", "--no-cache"), _alembic_lint),
    Tool("migrationiq", ("migrationiq", "lint", "--framework", "alembic"), _migrationiq),
    Tool("oneport-migrate", ("oneport-migrate", "check", _VERSIONS, "--all", "--no-llm", "--format", "json"), _oneport),
    Tool("zdm", ("zdm", "--output-format", "json", _VERSIONS), _zdm),
)


def _write_project(folder: Path) -> Path:
    """Write an Alembic project whose revisions are the steps, one after the other."""
    versions = folder / _VERSIONS
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (versions.parent / "env.py").write_text(_ENV)
    (versions.parent / "script.py.mako").touch()
    before = None
    for number, steps in enumerate([(SCHEMA,), *(each.steps for each in OPERATIONS)]):
        for place, step in enumerate(steps):
            name = f"r{number:03}_{place}"
            code = _REVISION.format(name=name, before=before, upgrade=textwrap.indent(code_of(step), "    "))
            (versions / f"{name}.py").write_text(code)
            before = name
    return folder


def _output(command: list[str], folder: Path) -> str:
    """Return what the command writes; a finding is an exit code of its own, which differs from one to the other."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "200"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if not done.stdout:
        raise click.ClickException(f"{command[0]} wrote nothing (exit code {done.returncode}): {done.stderr[-500:]}")
    return done.stdout


@click.command()
@click.option(
    "--tools",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"The bin folder of an environment with {', '.join(tool.package for tool in TOOLS)}.",
)
def main(tools: Path | None) -> None:
    """Say how many of the unsafe operations linters find, and in how many safe ways they find something.

    What a linter says of a quarter of the safe ways is left out: it says it of everything.
    """
    click.echo("\n".join([_HEADER, *(each.as_markdown() for each in compare(tools))]))


if __name__ == "__main__":
    main()
