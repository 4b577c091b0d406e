"""The order of a rollout: expand, backfill, the next release in, the previous one out, contract."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from app.cli.demo.rollout.database import add_tasks, connect
from app.cli.demo.rollout.nginx import Nginx
from app.cli.demo.rollout.processes import Release, Replica, State, run_command
from app.cli.demo.rollout.proof import check_columns, check_end
from app.cli.demo.rollout.releases import NEW_COLUMN, OLD_COLUMN, TABLE, copy_release, rename_column
from app.cli.demo.rollout.stream import StreamFollower
from app.cli.demo.rollout.traffic import Traffic, client
from app.cli.demo.rollout.view import RolloutView, Step

PREPARE = "make database and releases"
START = "start the previous release"
SEED = "add the tasks"
BEFORE = "the previous release serves"
EXPAND = "expand"
BACKFILL = "backfill"
FINISH_EXPAND = "expand further"
ROLL_IN = "the next release joins"
BOTH = "both releases serve"
ROLL_OUT = "the previous release leaves"
CONTRACT = "contract"
AFTER = "the next release serves"
PROVE = "compare with the writes"
STEPS = (
    *(PREPARE, START, SEED, BEFORE, EXPAND, BACKFILL, FINISH_EXPAND, ROLL_IN, BOTH, ROLL_OUT, CONTRACT, AFTER, PROVE),
)
_REPLICAS = 2
_UPGRADE = ("database", "upgrade", "--no-prompt")
# Small pools: all replicas, of both releases, share one small server.
_SETTINGS = {
    "ENVIRONMENT": "dev",
    "DB_AUTO_MIGRATE": "false",
    "DB_POOL_SIZE": "10",
    "LOG_REQUESTS": "false",
    "TRUSTED_PROXIES": "127.0.0.1",
}


class Plan(NamedTuple):
    """What to roll, and where. `seconds` is the least time of each step in which nothing happens but requests."""

    folder: Path
    database_url: str
    nginx: str
    seconds: float


async def roll_out(plan: Plan, view: RolloutView) -> None:
    """Roll the next release out under traffic, and write to the view what happened. Raises RolloutError."""
    token = secrets.token_hex(32)
    async with AsyncExitStack() as stack:
        connection = await connect(plan.database_url)
        stack.push_async_callback(connection.close)
        with view.step(PREPARE):
            previous, following = await _make_releases(plan, token)
        nginx = Nginx(plan.nginx, plan.folder)
        stack.push_async_callback(nginx.stop)
        rolling = _Rolling(view, nginx, stack)
        with view.step(START):
            await rolling.join(previous)
        with view.step(SEED) as step:
            board_id = await _make_board(nginx.url, token)
            known = await add_tasks(connection, view.rows, lambda done: step.report(done, view.rows))
        view.traffic = traffic = Traffic(nginx.url, token, view.rate, board_id, known)
        follower = StreamFollower(nginx.url, token, board_id)
        async with follower.following():
            async with traffic.flowing():
                await _serve(view, BEFORE, plan.seconds)
                await _change_schema(view, following, connection)
                with view.step(ROLL_IN):
                    await rolling.join(following)
                await _serve(view, BOTH, plan.seconds)
                with view.step(ROLL_OUT):
                    await rolling.leave(previous)
                    await check_columns(view, connection, "as the previous release left")
                with view.step(CONTRACT):
                    await run_command(following, *_UPGRADE)
                await _serve(view, AFTER, plan.seconds)
            with view.step(PROVE):
                await check_end(view, following, connection, follower)


async def _serve(view: RolloutView, name: str, seconds: float) -> None:
    with view.step(name):
        await asyncio.sleep(seconds)


async def _change_schema(view: RolloutView, following: Release, connection: Any) -> None:  # noqa: ANN401
    """Do what comes before the first replica of the next release."""
    with view.step(EXPAND):
        # The first revision adds the column; those after it require the backfill.
        await run_command(following, *_UPGRADE, "+1")
    with view.step(BACKFILL) as step:
        await run_command(
            following, "database", "backfill", "--all", "--json", on_line=lambda line: _report(line, step)
        )
        await check_columns(view, connection, "after the backfill")
    with view.step(FINISH_EXPAND):
        await run_command(following, *_UPGRADE, "--phase", "expand")


def _report(line: str, step: Step) -> None:
    progress = json.loads(line)
    step.report(progress["rows_seen"], max(progress["total"], progress["rows_seen"]))


async def _make_releases(plan: Plan, token: str) -> tuple[Release, Release]:
    """Return both releases, with a database at the head of the previous one."""
    settings = {
        **_SETTINGS,
        "DATABASE_URL": plan.database_url,
        "LOCAL_AUTH_TOKEN": token,
        "DATA_DIR": str(plan.folder / "data"),
    }
    releases = [
        Release(name, await asyncio.to_thread(copy_release, plan.folder / name), settings)
        for name in ("previous", "next")
    ]
    previous, following = releases
    await run_command(previous, *_UPGRADE)
    rename_column(following.folder)
    rename = f"{TABLE}.{OLD_COLUMN}:{NEW_COLUMN}"
    message = f"{TABLE} have {NEW_COLUMN}"
    await run_command(following, "database", "make-migrations", "-m", message, "--rename", rename, "--no-prompt")
    return previous, following


async def _make_board(url: str, token: str) -> UUID:
    """Make the board to which the new tasks come, and with it the user and their organization."""
    async with client(token) as http:
        body = {"name": "New tasks", "slug": "new-tasks", "description": "Of the demo"}
        answer = await http.post(f"{url}/api/v1/boards", json=body)
        return UUID(answer.raise_for_status().json()["id"])


class _Rolling:
    """The replicas behind nginx, which come and go by release."""

    def __init__(self, view: RolloutView, nginx: Nginx, stack: AsyncExitStack) -> None:
        self._view = view
        self._nginx = nginx
        self._stack = stack

    async def join(self, release: Release) -> None:
        """Start replicas, and let nginx ask them too once they are ready."""
        new = [Replica(f"{release.name} {number + 1}", release) for number in range(_REPLICAS)]
        is_first = not self._view.replicas
        self._view.replicas += new
        for replica in new:
            self._stack.push_async_callback(replica.kill)
            await replica.start()
            if not is_first:
                await self._nginx.use(self._addresses())
        if is_first:
            await self._nginx.start(self._addresses())

    async def leave(self, release: Release) -> None:
        """Have nginx ask them no more, then send SIGTERM, one after the other."""
        for replica in [one for one in self._view.replicas if one.belongs_to(release)]:
            replica.state = State.DRAINING
            await self._nginx.use(self._addresses())
            await replica.stop()

    def _addresses(self) -> Sequence[str]:
        return [replica.address for replica in self._view.replicas if replica.state is State.UP]
