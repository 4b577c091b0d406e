"""The statements of those that have no ORM, and what makes rows of them into what is answered."""

import base64
import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from uuid_utils.compat import uuid7

from app.schemas.boards import BoardRead
from app.schemas.pagination import Page
from app.schemas.tags import TagRef
from app.schemas.tasks import TaskRead

LIMIT = 50
_BOARD = f"SELECT {', '.join(BoardRead.__struct_fields__)} FROM boards WHERE id = $1"
_COLUMNS = (
    "id, board_id, created_by_user_id, title, description, status, priority, due_at, in_progress_at,"
    " assigned_agent_id, created_at, updated_at"
)
_TOTAL = "SELECT count(*) FROM tasks WHERE board_id = $1"
_TASKS = (
    f"SELECT {_COLUMNS} FROM tasks WHERE board_id = $1 ORDER BY created_at DESC, id DESC LIMIT {LIMIT + 1} OFFSET $2"
)
_TASK = f"SELECT {_COLUMNS} FROM tasks WHERE board_id = $1 AND id = $2 FOR UPDATE"
_TAGS = (
    "SELECT task_id, id, name, slug, color FROM task_tags JOIN tags ON id = tag_id"
    " WHERE task_id = ANY($1) ORDER BY name, id"
)
_WAITS = (
    "SELECT d.task_id, d.depends_on_task_id, t.status FROM task_dependencies d JOIN tasks t"
    " ON t.id = d.depends_on_task_id WHERE d.task_id = ANY($1) ORDER BY d.created_at, d.depends_on_task_id"
)
_FIELDS = (
    "SELECT field_key FROM custom_fields JOIN custom_field_boards ON custom_field_id = id"
    " WHERE board_id = $1 ORDER BY field_key"
)
_VALUES = (
    "SELECT task_id, field_key, value FROM custom_field_values JOIN custom_fields ON id = custom_field_id"
    " WHERE task_id = ANY($1)"
)
_INSERT = (
    f"INSERT INTO tasks ({_COLUMNS}, organization_id)"
    " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, organization_id FROM boards WHERE id = $2"
)
_UPDATE = "UPDATE tasks SET title = $2, status = $3, in_progress_at = $4, updated_at = $5 WHERE id = $1"
_EVENT = (
    "INSERT INTO activity_events (id, organization_id, event_type, message, user_id, board_id, task_id, created_at)"
    " SELECT $1, organization_id, $2, $3, $4, $5, $6, $7 FROM boards WHERE id = $5"
)


async def open_pool() -> asyncpg.Pool:
    """As many connections as the service has by default."""
    return await asyncpg.create_pool(os.environ["RIVAL_DSN"], min_size=10, max_size=20, init=_prepare)


async def _prepare(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=lambda v: msgspec.json.encode(v).decode(), decoder=msgspec.json.decode
        )


async def get_board(pool: asyncpg.Pool, board_id: UUID) -> BoardRead | None:
    row = await pool.fetchrow(_BOARD, board_id)
    return None if row is None else BoardRead(**row)


async def list_tasks(pool: asyncpg.Pool, board_id: UUID, offset: int = 0) -> Page[TaskRead]:
    async with pool.acquire() as connection:
        total = await connection.fetchval(_TOTAL, board_id)
        rows = await connection.fetch(_TASKS, board_id, offset)
        items = await _shapes(connection, board_id, rows[:LIMIT])
    more = len(rows) > LIMIT
    return Page(items, total, LIMIT, offset, cursor(items[-1]) if more else None)


async def create_task(pool: asyncpg.Pool, board_id: UUID, sent: Any) -> TaskRead:
    task_id, now = uuid7(), datetime.now(UTC)
    async with pool.acquire() as connection, connection.transaction():
        values = (sent.title, sent.description, sent.status, sent.priority, sent.due_at, None, sent.assigned_agent_id)
        await connection.execute(_INSERT, task_id, board_id, None, *values, now, now)
        await connection.execute(_EVENT, uuid7(), "task.created", sent.title, None, board_id, task_id, now)
        row = await connection.fetchrow(_TASK, board_id, task_id)
        (shape,) = await _shapes(connection, board_id, [row])
    return shape


async def update_task(pool: asyncpg.Pool, board_id: UUID, task_id: UUID, sent: Any) -> TaskRead | None:
    now = datetime.now(UTC)
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(_TASK, board_id, task_id)
        if row is None:
            return None
        begun = row["in_progress_at"] or (now if sent.status == "in_progress" else None)
        await connection.execute(_UPDATE, task_id, sent.title, sent.status, begun, now)
        change = f"{row['status']} → {sent.status}"
        await connection.execute(_EVENT, uuid7(), "task.status_changed", change, None, board_id, task_id, now)
        changed = {**row, "title": sent.title, "status": sent.status, "in_progress_at": begun, "updated_at": now}
        (shape,) = await _shapes(connection, board_id, [changed])
    return shape


async def _shapes(connection: asyncpg.Connection, board_id: UUID, rows: Sequence[Any]) -> list[TaskRead]:
    ids = [row["id"] for row in rows]
    tags: dict[UUID, list[TagRef]] = defaultdict(list)
    for row in await connection.fetch(_TAGS, ids):
        tags[row[0]].append(TagRef(id=row[1], name=row[2], slug=row[3], color=row[4]))
    waits, blocked = defaultdict(list), defaultdict(list)
    for task_id, other, status in await connection.fetch(_WAITS, ids):
        waits[task_id].append(other)
        if status != "done":
            blocked[task_id].append(other)
    unset = {row[0]: None for row in await connection.fetch(_FIELDS, board_id)}
    values: dict[UUID, dict[str, Any]] = defaultdict(unset.copy)
    for task_id, key, value in await connection.fetch(_VALUES, ids):
        values[task_id][key] = value
    return [
        TaskRead(
            **row,
            depends_on_task_ids=waits[row["id"]],
            blocked_by_task_ids=blocked[row["id"]],
            is_blocked=bool(blocked[row["id"]]),
            tag_ids=[tag.id for tag in tags[row["id"]]],
            tags=tags[row["id"]],
            custom_field_values=values[row["id"]],
        )
        for row in rows
    ]


def cursor(last: TaskRead) -> str:
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode()
