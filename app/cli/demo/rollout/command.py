"""`litestar demo rollout`: the live proof that no request fails while a release is rolled out."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import asyncpg
import httpx
import msgspec
import rich_click as click

from app.cli.demo.rollout.errors import RolloutError
from app.cli.demo.rollout.figures import Figures
from app.cli.demo.rollout.nginx import find_nginx
from app.cli.demo.rollout.screen import print_summary, shown
from app.cli.demo.rollout.stages import STEPS, Plan, roll_out
from app.cli.demo.rollout.view import Check, RolloutView, Step
from app.migrator.cli.options import json_option as as_json
from app.migrator.signals import InterruptedBySignalError, cancel_on_signals
from app.postgres.dev_server.server import acquire


class StepResult(msgspec.Struct, frozen=True):
    """One step, with what the requests felt that were sent in it."""

    name: str
    seconds: float
    figures: Figures


class RolloutResult(msgspec.Struct, frozen=True):
    """What `--json` prints. `has_passed` says that every check holds; `failures` has the first ones."""

    has_passed: bool
    rows: int
    total: Figures
    steps: list[StepResult]
    checks: list[Check]
    failures: list[str]


@click.command(name="rollout")
@click.option(
    "--rows",
    type=click.IntRange(1, 100_000_000),
    default=1_000_000,
    show_default=True,
    help="How many tasks there are.",
)
@click.option(
    "--rate", type=click.FloatRange(1, 2_000), default=100, show_default=True, help="How many requests come a second."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3_600),
    default=10,
    show_default=True,
    help="How long each release serves before the next step.",
)
@click.option(
    "--keep", is_flag=True, help="Keep the folder, with logs and the generated revisions, and print its path."
)
@as_json
def rollout_command(rows: int, rate: float, seconds: float, keep: bool, as_json: bool) -> None:
    """Roll a release out under steady traffic, and show what requests felt: 0 of so many failed.

    It starts a PostgreSQL of its own in a temporary folder, two replicas of this release behind nginx, and then two of
    a next one, in which a column of a million tasks has another name, by revisions that the engine generates. Requests
    read and write those tasks meanwhile, and none is sent again. Afterwards everything that was acknowledged is
    compared with what is stored.

    Your database is not touched. A million tasks take some minutes, two gigabytes and both of two cores. nginx has to
    be installed.

    Exit codes: 0 no request failed, and all is as it was acknowledged; 1 not so, a step failed, or there is no nginx;
    2 a wrong option; 4 PostgreSQL cannot be started; 130 and 143 stopped by Ctrl-C or SIGTERM.
    """
    nginx = find_nginx()
    view = RolloutView(rows, rate, [Step(name) for name in STEPS], on_step=lambda _: None)
    with _folder(keep=keep) as folder, nullcontext() if as_json else shown(view):
        server = acquire(folder / "database")
        try:
            asyncio.run(_interruptible(Plan(folder, server.url, nginx, seconds), view))
        except InterruptedBySignalError as exc:
            click.echo("Stopped. Nothing was changed but the demo's own database.", err=True)
            sys.exit(exc.exit_code)
        finally:
            server.release(wait=True)
    if as_json:
        click.echo(msgspec.json.encode(_result(view)).decode())
    else:
        print_summary(view)
    if not view.has_passed:
        sys.exit(1)


async def _interruptible(plan: Plan, view: RolloutView) -> None:
    try:
        with cancel_on_signals():
            await roll_out(plan, view)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, httpx.HTTPError, OSError) as exc:
        raise RolloutError(f"The demo cannot go on: {type(exc).__name__}: {exc}") from exc


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="plimsoll-rollout-"))
    try:
        yield folder
    finally:
        if keep:
            click.echo(f"Kept: {folder}", err=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _result(view: RolloutView) -> RolloutResult:
    steps = [StepResult(step.name, round(step.seconds, 1), view.figures(step)) for step in view.steps]
    failures = view.traffic.failures[:10] if view.traffic else []
    return RolloutResult(view.has_passed, view.rows, view.figures(), steps, view.checks, failures)
