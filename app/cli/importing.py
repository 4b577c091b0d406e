"""`litestar import`: takes over the data of another backend."""

import secrets
import time
from collections.abc import Sequence
from functools import partial

import msgspec
import rich_click as click
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.group import DataGroup
from app.cli.progress import progress_report
from app.core.settings import Environment, Settings
from app.db.checked_settings import load_settings
from app.db.command_transaction import require_schema, run_in_transaction
from app.db.database import open_database
from app.importing.mission_control.findings import Report
from app.importing.mission_control.importer import Importer
from app.importing.mission_control.source import open_snapshot, parse_source_url
from app.importing.mission_control.target import Target
from app.migrator.cli.options import confirm, no_prompt
from app.migrator.cli.options import json_option as as_json
from app.migrator.cli.rows import print_rows
from app.postgres.url.database_url import DatabaseURL

_FREE_TO_FILL = frozenset({Environment.DEV, Environment.TEST})
_KEY_BYTES = 32


@click.command(name="mission-control")
@click.argument("url")
@click.option("--check", is_flag=True, help="Tell what can be taken over, and what not; write nothing.")
@click.option(
    "--resume", is_flag=True, help="Leave organizations and people that are there already, and take over the others."
)
@no_prompt
@as_json
def mission_control(url: str, check: bool, resume: bool, no_prompt: bool, as_json: bool) -> None:
    """Take over the database of an OpenClaw Mission Control backend, with the ids and times of everything.

    URL is that of the old PostgreSQL database, which is only read; its schema is that of the last migration. What
    cannot be taken over is told first, and then nothing is written: --check does this alone. What stays behind or
    becomes otherwise is told, too: gateways, for instance, and the tokens of agents.

    Everything is one transaction, and compared with the old database by checksums before it ends: a run that fails, is
    stopped or is killed leaves nothing. Run it with an empty, migrated database and the old backend stopped. Outside
    ENVIRONMENT=dev and test it asks before it begins.

    Exit codes: 0 done, or nothing prevents it; 1 declined, or something cannot be taken over; 2 a wrong setting, URL or
    option; 3 the schema is not this release's, or a database refused; 4 a database cannot be reached; 130 and 143
    stopped by Ctrl-C or SIGTERM.
    """
    old = parse_source_url(url)
    settings = load_settings(serving=False)
    began = time.monotonic()
    with open_database(settings) as target:
        if not check and settings.environment not in _FREE_TO_FILL:
            where = f"{target.location} (ENVIRONMENT={settings.environment})"
            confirm(f"Take {old.location} over into the database {where}?", no_prompt)
        report = _import(settings, old, target, check=check, resume=resume, as_json=as_json)
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        _print_report(report, target, time.monotonic() - began)
    if report.problems:
        raise SystemExit(1)


@click.group(cls=DataGroup, name="import")
def importing() -> None:
    """Take over the data of another backend."""


importing.add_command(mission_control)


def _import(
    settings: Settings, old: DatabaseURL, target: DatabaseURL, *, check: bool, resume: bool, as_json: bool
) -> Report:
    issuer = f"{settings.oidc_issuer}#" if settings.oidc_issuer else ""
    key = secrets.token_hex(_KEY_BYTES)

    async def work(session: AsyncSession) -> Report:
        await require_schema(session, settings)
        async with open_snapshot(old, settings.db_connect_timeout, key, issuer) as source:
            importer = Importer(source, Target(await session.connection(), target))
            report = await importer.check(resume=resume)
            if not check and not report.problems:
                await importer.copy(partial(progress_report, "rows", as_json=as_json))
                report.imported = True
            return report

    return run_in_transaction(settings, work)


def _print_report(report: Report, target: DatabaseURL, seconds: float) -> None:
    _print_findings("Cannot be taken over:", [str(problem) for problem in report.problems])
    _print_findings("Stays behind, or is otherwise than it was:", [note.without_ids() for note in report.notes])
    if report.problems:
        click.echo(f"\nNothing was taken over from {report.source}.")
        return
    table = Table("table", "rows", box=None, pad_edge=False)
    for name, rows in report.rows.items():
        if rows:
            table.add_row(name, f"{rows:,}")
    total = sum(report.rows.values())
    done = f"Took over, and compared, {total:,} rows in {seconds:.1f} s" if report.imported else "Can be taken over"
    click.echo(f"\n{done}: from {report.source} into {target.location}.\n")
    if total:
        print_rows(table)


def _print_findings(title: str, lines: Sequence[str]) -> None:
    if lines:
        click.echo("\n".join(["", title, *(f"  {line}" for line in lines)]))
