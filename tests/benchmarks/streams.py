"""The row about streams: comments that another process writes, on their way to everybody who has a stream open."""

import asyncio
import time

import asyncpg
from uuid_utils.compat import uuid7

from app.postgres.url.database_url import normalize_database_url
from tests.benchmarks.bench import Bench
from tests.benchmarks.data import ORGANIZATION, OWNER, Size
from tests.benchmarks.listening import STAMP, Job, listening
from tests.benchmarks.results import Goal, Outcome, Sample
from tests.benchmarks.servers import OURS

_PATH = "/api/v1/activity/task-comments/stream"
# A second.
_RATE = 100
# A message of the stream shows the event and the comment, and both say when it was written.
_STAMPS = 2
# Seconds after the last event for which is waited.
_PATIENCE = 20.0
_SIZE = Size(tasks=100, boards=1)
_COMMENT = (
    "INSERT INTO task_comments (id, task_id, author_user_id, message, organization_id) VALUES ($1, $2, $3, $4, $5)"
)
_EVENT = (
    "INSERT INTO activity_events (id, organization_id, event_type, message, user_id, board_id, task_id, subject_id)"
    " VALUES ($1, $2, 'task.commented', $3, $4, $5, $6, $7)"
)
_NOTIFY = "SELECT pg_notify('plimsoll_activity', 'another process')"
_CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'plimsoll%'"
)


def streams(bench: Bench) -> list[Outcome]:
    """Every event counts as often as there are streams, and one that does not come as the longest time of all."""
    samples, connections, missing = list[Sample](), list[Sample](), 0
    readers, events = bench.effort.streams, round(_RATE * bench.effort.seconds * 2)
    for _ in range(bench.effort.rounds):
        with bench.database(_SIZE) as url, bench.serving(OURS, url) as server:
            before = server.usage()
            job = Job(server.port, _PATH, readers, events * _STAMPS, events / _RATE + _PATIENCE)
            with listening(job, bench.cores.others) as listener:
                used = asyncio.run(_write(normalize_database_url(url).libpq, events))
                heard = listener.result()
            after = server.usage()
            missing += (lost := events * readers - heard.stamps // _STAMPS)
            if lost < 0:
                raise RuntimeError(f"{-lost} messages came twice.")
            p99 = _PATIENCE * 1000 if lost > 0.01 * events * readers else heard.p99
            cpu = (after.cpu - before.cpu) / (events * readers) * 1e6
            samples.append(Sample(p99 / 1000, heard.p50, p99, cpu, after.memory))
            connections.append(Sample(used))
    note = f"{readers:,} of them, {_RATE} events a second; {missing:,} messages did not come within {_PATIENCE:g} s."
    return [
        Outcome(
            "streams",
            "From the writing of a comment until each stream has it",
            "seconds at p99",
            {OURS: samples},
            [Goal(1, at_most=True)],
            note,
        ),
        Outcome(
            "connections", "Database connections meanwhile", "connections", {OURS: connections}, [Goal(9, at_most=True)]
        ),
    ]


async def _write(dsn: str, events: int) -> int:
    """So many comments, each when it is due; returns how many connections the service had at most meanwhile."""
    most = 0
    async with asyncpg.create_pool(dsn, min_size=4, max_size=4) as pool, asyncio.TaskGroup() as group:
        began = time.monotonic()
        for number in range(events):
            await asyncio.sleep(began + number / _RATE - time.monotonic())
            group.create_task(_comment(pool))
            if number % (_RATE // 4) == 0:
                most = max(most, await pool.fetchval(_CONNECTIONS))
    return most


async def _comment(pool: asyncpg.Pool) -> None:
    comment, board, task = uuid7(), _SIZE.board(0), _SIZE.task(1)
    async with pool.acquire() as connection:
        message = STAMP.format(time.monotonic())
        async with connection.transaction():
            await connection.execute(_COMMENT, comment, task, OWNER, message, ORGANIZATION)
            await connection.execute(_EVENT, uuid7(), ORGANIZATION, message, OWNER, board, task, comment)
        await connection.execute(_NOTIFY)
