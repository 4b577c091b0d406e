"""`litestar demo`: fills a database with a made-up organization, and shows a rollout."""

import secrets
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec
import rich_click as click
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo.rollout.command import rollout_command
from app.cli.demo.seeding import Seeded, SeedPlan, find_owner, seed
from app.cli.group import DataGroup
from app.cli.progress import progress_report
from app.core.settings import Environment, Settings
from app.db.checked_settings import load_settings
from app.db.command_transaction import require_schema, run_in_transaction
from app.db.database import open_database
from app.migrator.cli.options import confirm, no_prompt
from app.migrator.cli.options import json_option as as_json
from app.migrator.cli.rows import print_rows
from app.services.callers import LOCAL_SUBJECT

_LONGEST_NAME = 200
_MOST_SEEDS = 2**32
_FREE_TO_FILL = frozenset({Environment.DEV, Environment.TEST})


@click.command(name="seed")
@click.option("--tasks", type=click.IntRange(0, 100_000_000), default=1_000, show_default=True, help="How many tasks.")
@click.option("--boards", type=click.IntRange(1, 10_000), default=10, show_default=True, help="On how many boards.")
@click.option("--organization", default="Meridian Freight", show_default=True, help="The name of the organization.")
@click.option(
    "--owner",
    default=LOCAL_SUBJECT,
    show_default=True,
    help="The owner: a user's id, subject or e-mail address. `local` is the user of the shared token.",
)
@click.option(
    "--seed",
    "number",
    type=click.IntRange(0, _MOST_SEEDS - 1),
    help="The same number makes the same content again. Default: a new one, which is printed.",
)
@no_prompt
@as_json
def seed_command(
    tasks: int, boards: int, organization: str, owner: str, number: int | None, no_prompt: bool, as_json: bool
) -> None:
    """Make an organization with people of each role, boards, agents and tasks, and with a year of history.

    It becomes the active organization of its owner, so that their next requests are about it. Their other
    organizations stay as they are, and so does what an earlier run made.

    Every task has a history that fits its board's rules, with comments, approvals and activity, so that dashboards,
    feeds and search have something to show. The tokens of agents are printed this once: those of the first board, or
    all of them with --json.

    A million tasks take some minutes. Everything is one transaction: a run that fails, is stopped or is killed leaves
    nothing. Outside ENVIRONMENT=dev and test it asks before it begins.

    Exit codes: 0 made; 1 declined, or there is no such owner; 2 a wrong setting or option; 3 the schema is not this
    release's, or the database refused; 4 the database cannot be reached; 130 and 143 stopped by Ctrl-C or SIGTERM.
    """
    chosen = secrets.randbelow(_MOST_SEEDS) if number is None else number
    plan = SeedPlan(_check_name(organization), boards, tasks, chosen)
    settings = load_settings(serving=False)
    began = time.monotonic()
    with open_database(settings) as url:
        if settings.environment not in _FREE_TO_FILL:
            where = f"{url.location} (ENVIRONMENT={settings.environment})"
            confirm(f"Fill the database {where} with a made-up organization?", no_prompt)
        seeded = _seed(settings, plan, owner, as_json=as_json)
    if as_json:
        click.echo(msgspec.json.encode(seeded).decode())
    else:
        _print_summary(seeded, time.monotonic() - began)


@click.group(cls=DataGroup, name="demo")
def demo() -> None:
    """Try it out: fill a database with a made-up organization of any size, or watch a release being rolled out."""


demo.add_command(seed_command)
demo.add_command(rollout_command)


def _check_name(name: str) -> str:
    stripped = name.strip()
    if not stripped or len(stripped) > _LONGEST_NAME or not stripped.isprintable():
        raise click.BadParameter(f"It is not 1 to {_LONGEST_NAME} printable characters.", param_hint="--organization")
    return stripped


def _seed(settings: Settings, plan: SeedPlan, owner: str, *, as_json: bool) -> Seeded:
    async def find(session: AsyncSession) -> UUID:
        await require_schema(session, settings)
        return await find_owner(session, owner)

    # In a separate transaction: until it commits, nobody else can sign in with the shared token.
    owner_id = run_in_transaction(settings, find)
    with progress_report("tasks", plan.tasks, as_json=as_json) as report:

        async def work(session: AsyncSession) -> Seeded:
            return await seed(session, plan, owner_id, report)

        return run_in_transaction(settings, work)


def _print_summary(made: Seeded, seconds: float) -> None:
    total = sum(made.rows.values())
    click.echo(
        f"Made {made.organization} ({made.organization_id}), {total:,} rows in {seconds:.1f} s. The same again:"
        f" --seed {made.seed}.\n"
    )
    _print_table(("table", "rows"), [(table, f"{rows:,}") for table, rows in made.rows.items() if rows])
    first = made.agents[0].board
    click.echo(f"\nAgents of {first}, whose tokens are shown this once:\n")
    _print_table(("agent", "token"), [(agent.name, agent.token) for agent in made.agents if agent.board == first])


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    print_rows(table)
