"""L2: Advanced Alchemy the obvious way: its repositories and services, relationships, a session for each request."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from advanced_alchemy.base import BasicAttributes
from advanced_alchemy.extensions.litestar import EngineConfig, SQLAlchemyAsyncConfig, SQLAlchemyPlugin
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from litestar import Litestar, get, patch, post
from litestar.di import Provide
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, relationship, selectinload

from app import models
from app.schemas.boards import BoardRead
from app.schemas.pagination import Page
from app.schemas.tasks import TaskCreate, TaskRead, TaskUpdate
from tests.benchmarks.rivals.sql import LIMIT, cursor

_PATH = "/api/v1/boards/{board_id:uuid}/tasks"
_tasks, _dependencies = models.Task.__table__, models.TaskDependency.__table__
_boards, _board_fields = models.Board.__table__, models.CustomFieldBoard.__table__
_values, _fields = models.CustomFieldValue.__table__, models.CustomField.__table__


class _Base(BasicAttributes, DeclarativeBase):
    """Of models of its own, with relationships, over the service's tables."""

    metadata = MetaData()


class Field(_Base):
    __table__ = _fields


class Board(_Base):
    __table__ = _boards
    fields: Mapped[list[Field]] = relationship(
        secondary=_board_fields,
        primaryjoin=lambda: _boards.c.id == _board_fields.c.board_id,
        secondaryjoin=lambda: _fields.c.id == _board_fields.c.custom_field_id,
        order_by=_fields.c.field_key,
    )


class Tag(_Base):
    __table__ = models.Tag.__table__


class Value(_Base):
    __table__ = _values
    field: Mapped[Field] = relationship(lazy="joined")


class Event(_Base):
    __table__ = models.ActivityEvent.__table__


class Task(_Base):
    __table__ = _tasks
    board: Mapped[Board] = relationship()
    tags: Mapped[list[Tag]] = relationship(
        secondary=models.TaskTag.__table__, order_by=lambda: (Tag.__table__.c.name, Tag.__table__.c.id)
    )
    depends_on: Mapped[list["Task"]] = relationship(
        secondary=_dependencies,
        primaryjoin=lambda: _tasks.c.id == _dependencies.c.task_id,
        secondaryjoin=lambda: _tasks.c.id == _dependencies.c.depends_on_task_id,
        order_by=_dependencies.c.created_at,
    )
    values: Mapped[list[Value]] = relationship()

    @property
    def tag_ids(self) -> list[UUID]:
        return [tag.id for tag in self.tags]

    @property
    def depends_on_task_ids(self) -> list[UUID]:
        return [task.id for task in self.depends_on]

    @property
    def blocked_by_task_ids(self) -> list[UUID]:
        return [task.id for task in self.depends_on if task.status != "done"]

    @property
    def is_blocked(self) -> bool:
        return bool(self.blocked_by_task_ids)

    @property
    def custom_field_values(self) -> dict[str, Any]:
        unset = {field.field_key: None for field in self.board.fields}
        return {**unset, **{value.field.field_key: value.value for value in self.values}}


_WHOLE = [
    selectinload(Task.board).selectinload(Board.fields),
    selectinload(Task.tags),
    selectinload(Task.depends_on),
    selectinload(Task.values),
]


class BoardService(SQLAlchemyAsyncRepositoryService[Board]):
    class Repo(SQLAlchemyAsyncRepository[Board]):
        model_type = Board

    repository_type = Repo


class TaskService(SQLAlchemyAsyncRepositoryService[Task]):
    class Repo(SQLAlchemyAsyncRepository[Task]):
        model_type = Task

    repository_type = Repo

    async def whole(self, task: Task) -> TaskRead:
        await self.repository.session.refresh(task, ["board", "tags", "depends_on", "values"])
        await self.repository.session.refresh(task.board, ["fields"])
        return self.to_schema(task, schema_type=TaskRead)

    async def note(self, task: Task, event_type: str, message: str) -> None:
        """The event, in the request's transaction."""
        board = await self.repository.session.get_one(Board, task.board_id)
        event = Event(
            organization_id=board.organization_id,
            event_type=event_type,
            message=message,
            board_id=task.board_id,
            task_id=task.id,
        )
        self.repository.session.add(event)


async def provide_boards(db_session: AsyncSession) -> AsyncIterator[BoardService]:
    async with BoardService.new(session=db_session) as service:
        yield service


async def provide_tasks(db_session: AsyncSession) -> AsyncIterator[TaskService]:
    async with TaskService.new(session=db_session) as service:
        yield service


@get("/api/v1/boards/{board_id:uuid}")
async def get_board(boards: BoardService, board_id: UUID) -> BoardRead:
    return boards.to_schema(await boards.get(board_id), schema_type=BoardRead)


@get(_PATH)
async def list_tasks(tasks: TaskService, board_id: UUID, offset: int = 0) -> Page[TaskRead]:
    newest = [OrderBy("created_at", "desc"), OrderBy("id", "desc")]
    window = LimitOffset(LIMIT, offset)
    rows, total = await tasks.list_and_count(Task.board_id == board_id, window, *newest, load=_WHOLE)
    items = list(tasks.to_schema(rows, total, filters=[window], schema_type=TaskRead).items)
    more = offset + len(items) < total
    return Page(items, total, LIMIT, offset, cursor(items[-1]) if more else None)


@post(_PATH)
async def create_task(tasks: TaskService, board_id: UUID, data: TaskCreate) -> TaskRead:
    columns = {"title", "description", "status", "priority", "due_at", "assigned_agent_id"}
    sent = {name: value for name, value in msgspec.structs.asdict(data).items() if name in columns}
    board = await tasks.repository.session.get_one(Board, board_id)
    task = await tasks.create({**sent, "board_id": board_id, "organization_id": board.organization_id})
    await tasks.note(task, "task.created", task.title)
    return await tasks.whole(task)


@patch(_PATH + "/{task_id:uuid}")
async def update_task(tasks: TaskService, board_id: UUID, task_id: UUID, data: TaskUpdate) -> TaskRead:
    task = await tasks.get_one(Task.board_id == board_id, id=task_id, with_for_update=True)
    await tasks.note(task, "task.status_changed", f"{task.status} → {data.status}")
    begun = task.in_progress_at or (datetime.now(UTC) if data.status == "in_progress" else None)
    changes = {"title": data.title, "status": data.status, "in_progress_at": begun}
    return await tasks.whole(await tasks.update(changes, item_id=task.id))


_config = SQLAlchemyAsyncConfig(
    connection_string=os.environ["RIVAL_DSN"].replace("postgresql://", "postgresql+asyncpg://"),
    before_send_handler="autocommit",
    engine_config=EngineConfig(pool_size=10, max_overflow=10),
)
app = Litestar(
    [get_board, list_tasks, create_task, update_task],
    plugins=[SQLAlchemyPlugin(_config)],
    dependencies={"boards": Provide(provide_boards), "tasks": Provide(provide_tasks)},
)
