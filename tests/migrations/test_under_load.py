"""Schema changes beside steady traffic on the same tables: no request fails, and none waits long."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.database import holding, insert, query
from tests.support.load import Balancer, Figures, Traffic, acknowledged
from tests.support.processes import environment, run, serving
from tests.support.queueing import Look, longest_in, watching_the_queue
from tests.support.releases import next_release

# Requests a second: enough for a p99 in a period of seconds, and well below what one core serves.
RATE = 40
# Requests of a period in which nothing else happens.
WARM_UP, QUIET, QUIET_LONG = 20, 40, 1200
# With --long, p99 while migrating may be three times the quiet one, or this much where that is less. The load, the
# servers, PostgreSQL and the migrating command share two cores: so the quiet figure is taken before and after, and also
# while a command starts that changes nothing, since starting takes a core for a second or two.
FACTOR, FLOOR_MS = 3, 250.0
# In the suite another worker's tests may take both cores for seconds: there it is how long, by the database's clock, a
# request waited for the table, which is milliseconds where a change takes its lock and lets go of it again.
LONGEST_IN_QUEUE = 4.0

Steps = tuple[tuple[str, tuple[str, ...]], ...]
LOOKING: Steps = (("quiet, but a command starts", ("history",)),)
EXPAND: Steps = (
    ("expand: column, check, table", ("upgrade", "00000000e002", "--phase", "expand", "--no-prompt")),
    ("expand: index concurrently", ("upgrade", "--phase", "expand", "--no-prompt")),
    ("backfill", ("backfill", "task_effort", "--rate", "10000")),
)
CONTRACT: Steps = (
    ("check, validate", ("upgrade", "00000000c005", "--no-prompt")),
    ("contract: not null, drop column", ("upgrade", "--no-prompt")),
)


def seed(url: str, rows: int) -> None:
    """Store as many old tasks, which have no effort, on a board of their own."""
    organization = insert(url, "organizations", name="Old")
    board = insert(url, "boards", organization_id=organization, name="b", slug="b", description="")
    query(
        url,
        "INSERT INTO tasks (id, organization_id, board_id, title)"
        " SELECT gen_random_uuid(), :o, :b, repeat('x', i % 40 + 1) FROM generate_series(1, :rows) AS i",
        o=organization,
        b=board,
        rows=rows,
    )
    query(url, "ANALYZE tasks")


async def test_traffic_goes_on_while_the_schema_changes(
    database_url: str, tmp_path: Path, long: bool, show_figures: Callable[[str, list[Figures]], None]
) -> None:
    """This release serves while the next one expands; the next one serves while it contracts."""
    rows = 1_000_000 if long else 30_000
    quiet_requests = QUIET_LONG if long else QUIET
    seed(database_url, rows)
    new = next_release(tmp_path / "next")
    env = environment(DATABASE_URL=database_url)
    traffic = Traffic(Balancer(), RATE)
    looks: list[Look] = []

    async def migrate(steps: Steps) -> None:
        for period, command in steps:
            await traffic.begin(period)
            with watching_the_queue(database_url) as seen:
                done = await asyncio.to_thread(run, "litestar", "database", *command, env=env, cwd=new, seconds=600)
            assert done.returncode == 0, done.stderr
            looks.extend(seen)

    async with AsyncExitStack() as stack:
        this = stack.enter_context(serving(env, tmp_path / "this.log"))
        this.wait_until_ready()
        traffic.balancer.add(this)
        await stack.enter_async_context(traffic.flowing())
        await traffic.more(WARM_UP)
        await traffic.begin("quiet")
        await traffic.more(quiet_requests)
        await migrate(LOOKING)
        await migrate(EXPAND)
        await traffic.begin("the next release starts")
        following = stack.enter_context(serving(env, tmp_path / "next.log", cwd=new))
        traffic.balancer.add(following)
        await traffic.until_served_by(following)
        await traffic.more(WARM_UP)
        traffic.balancer.remove(this)
        await migrate(CONTRACT)
        await migrate(LOOKING)
        await traffic.begin("quiet")
        await traffic.more(quiet_requests)
        await traffic.begin("a table is locked for a second")
        with watching_the_queue(database_url) as looks_when_locked, holding(database_url, "LOCK TABLE tasks"):
            await asyncio.sleep(1)
        await traffic.stop()

    *_, locked = every = traffic.every_figure
    migrating = traffic.figures(*(period for period, _ in EXPAND + CONTRACT), name="all of the migration")
    quiet = traffic.figures("quiet", LOOKING[0][0], name="all that is quiet")
    show_figures(f"The API at {traffic.rate:.0f} requests a second, {rows} old tasks", [*every, quiet, migrating])
    assert traffic.failures == []
    assert acknowledged(database_url, traffic) == (traffic.titles, traffic.comments)
    assert query(database_url, "SELECT count(*) FROM tasks WHERE title LIKE 'x%' AND effort = length(title)") == [
        (rows,)
    ]
    assert longest_in(looks) <= LONGEST_IN_QUEUE
    if long:
        assert migrating.p99 <= max(FACTOR * quiet.p99, FLOOR_MS)
    # What is measured is what a client would see, and what the database would.
    assert locked.longest > 500
    assert longest_in(looks_when_locked) > 0.5
