"""L1: Litestar and asyncpg, with no ORM."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
from litestar import Litestar, get, patch, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException

from app.schemas.boards import BoardRead
from app.schemas.pagination import Page
from app.schemas.tasks import TaskCreate, TaskRead, TaskUpdate
from tests.benchmarks.rivals import sql

_TASKS = "/api/v1/boards/{board_id:uuid}/tasks"


@asynccontextmanager
async def _connected(app: Litestar) -> AsyncIterator[None]:
    app.state.pool = await sql.open_pool()
    yield
    await app.state.pool.close()


def _pool(state: State) -> asyncpg.Pool:
    return state.pool


@get("/api/v1/boards/{board_id:uuid}")
async def get_board(state: State, board_id: UUID) -> BoardRead:
    return _found(await sql.get_board(_pool(state), board_id))


@get(_TASKS)
async def list_tasks(state: State, board_id: UUID, offset: int = 0) -> Page[TaskRead]:
    return await sql.list_tasks(_pool(state), board_id, offset)


@post(_TASKS)
async def create_task(state: State, board_id: UUID, data: TaskCreate) -> TaskRead:
    return await sql.create_task(_pool(state), board_id, data)


@patch(_TASKS + "/{task_id:uuid}")
async def update_task(state: State, board_id: UUID, task_id: UUID, data: TaskUpdate) -> TaskRead:
    return _found(await sql.update_task(_pool(state), board_id, task_id, data))


def _found(answer: "BoardRead | TaskRead | None") -> "BoardRead | TaskRead":
    if answer is None:
        raise NotFoundException
    return answer


app = Litestar([get_board, list_tasks, create_task, update_task], lifespan=[_connected])
