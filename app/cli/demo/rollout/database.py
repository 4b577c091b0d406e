"""The rows of the demo, and what is read in the database to prove that none was lost."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from app.cli.demo.rollout.releases import NEW_COLUMN, OLD_COLUMN
from app.cli.demo.rollout.traffic import KnownTask

_TASKS_OF_A_BOARD = 1_000
_BATCH = 20_000
_SAMPLE = 500
_PORT = 5432
_BOARDS = """\
INSERT INTO boards (id, organization_id, name, slug, description)
SELECT uuidv7(), organization_id, 'Board ' || number, 'board-' || number, 'Of the demo'
FROM boards, generate_series(1, $1) AS number
RETURNING id"""
_TASKS = """\
INSERT INTO tasks (id, board_id, organization_id, title, description)
SELECT uuidv7(), boards.id, organization_id, 'Task ' || number, 'written at the beginning as number ' || number
FROM generate_series($2::int, $3) AS number
JOIN boards ON boards.id = ($1::uuid[])[1 + number % cardinality($1::uuid[])]"""


async def connect(url: str) -> Any:  # noqa: ANN401 - asyncpg has no types
    """Connect to the built-in server, which knows no password."""
    return await asyncpg.connect(url.replace("+asyncpg", ""), port=_PORT)


async def add_tasks(connection: Any, rows: int, report: Callable[[int], None]) -> list[KnownTask]:  # noqa: ANN401
    """Add boards with this many tasks, and return some of them; `report` is told how many there are."""
    boards = [row["id"] for row in await connection.fetch(_BOARDS, max(1, rows // _TASKS_OF_A_BOARD))]
    # The demo's data may be lost when the machine fails.
    await connection.execute("SET synchronous_commit = off")
    for first in range(0, rows, _BATCH):
        last = min(first + _BATCH, rows)
        await connection.execute(_TASKS, boards, first, last - 1)
        report(last)
    await connection.execute("VACUUM (ANALYZE) tasks")
    known = await connection.fetch(
        f"SELECT board_id, id, {OLD_COLUMN} FROM tasks WHERE board_id = ANY($1) LIMIT {_SAMPLE}",  # noqa: S608 - constants
        boards[:: max(1, len(boards) // 10)],
    )
    return [KnownTask(*row) for row in known]


async def count_different(connection: Any) -> int:  # noqa: ANN401
    """Return in how many rows the old and the new column differ, of one moment."""
    query = f"SELECT count(*) FROM tasks WHERE {OLD_COLUMN} IS DISTINCT FROM {NEW_COLUMN}"  # noqa: S608 - constants
    found: int = await connection.fetchval(query)
    return found


async def count_tasks(connection: Any) -> int:  # noqa: ANN401
    """Return how many tasks have a value in the new column."""
    found: int = await connection.fetchval(f"SELECT count({NEW_COLUMN}) FROM tasks")  # noqa: S608 - constants
    return found


async def find_lost(connection: Any, tasks: Sequence[KnownTask]) -> list[UUID]:  # noqa: ANN401
    """Return the tasks that do not have what was acknowledged."""
    query = f"SELECT id, {NEW_COLUMN} FROM tasks WHERE id = ANY($1)"  # noqa: S608 - constants
    stored = dict(await connection.fetch(query, [task.id for task in tasks]))
    return [task.id for task in tasks if stored.get(task.id) != task.description]
