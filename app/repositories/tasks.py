"""Tasks, what they wait for, their tags and comments."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import NamedTuple, cast
from uuid import UUID

from sqlalchemy import Table, any_, bindparam, delete, insert, select, update

from app.core.pagination import Slice, Window
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows
from app.models import Board, Tag, Task, TaskComment, TaskDependency, TaskPriority, TaskStatus, TaskTag
from app.repositories.base import Repository
from app.repositories.keyset import PageShape, PreparedPage, fetch_slice, prepare_page, read_slice
from app.repositories.search import matches
from app.repositories.sorting import Ordering
from app.repositories.task_details import TAG_COLUMNS, TagOfTask, TaskDetails, TaskView, select_view, view_of_row

_TASKS = Ordering(
    "tasks",
    Task,
    sortable=("updated_at", "title", "status", "priority", "due_at"),
    ranks={"status": [*TaskStatus], "priority": [*TaskPriority]},
)
_COMMENTS = Ordering("comments", TaskComment, newest_first=False)


class TaskFilter(NamedTuple):
    """Conditions of a list of tasks; all that are given have to hold."""

    statuses: frozenset[str] = frozenset()
    assigned_agent_id: UUID | None = None
    unassigned: bool | None = None
    search: str | None = None

    @property
    def shape(self) -> "_FilterShape":
        by_agent = self.assigned_agent_id is not None
        return _FilterShape(bool(self.statuses), by_agent, self.unassigned, bool(self.search))


class _FilterShape(NamedTuple):
    """The form of a filter's conditions, without their values."""

    by_status: bool
    by_agent: bool
    unassigned: bool | None
    by_search: bool


_BY_BOARD_AND_ID = Task.board_id == bindparam("board_id"), Task.id == bindparam("task_id")
_SELECT_ONE = PreparedStatement(select(*Task.__table__.c).where(*_BY_BOARD_AND_ID))
_SELECT_VIEW = PreparedStatement(select_view().where(*_BY_BOARD_AND_ID))
_LOCK = PreparedStatement(select(Task.id).where(*_BY_BOARD_AND_ID).with_for_update(key_share=True))
_LOCK_ROW_AGAINST_DELETION = PreparedStatement(
    select(*Task.__table__.c).where(*_BY_BOARD_AND_ID).with_for_update(read=True, key_share=True)
)
_INSERT = PreparedStatement(insert(Task).returning(*Task.__table__.c))
_DEPENDENCIES = PreparedStatement(
    select(TaskDependency.task_id, TaskDependency.depends_on_task_id, Task.status)
    .join(Task, Task.id == TaskDependency.depends_on_task_id)
    .where(TaskDependency.task_id == any_(bindparam("task_ids")))
    .order_by(TaskDependency.created_at, TaskDependency.depends_on_task_id)
)
_TAGS = PreparedStatement(
    select(TaskTag.task_id, *TAG_COLUMNS)
    .join(Tag, Tag.id == TaskTag.tag_id)
    .where(TaskTag.task_id == any_(bindparam("task_ids")))
    .order_by(Tag.name, Tag.id)
)


@lru_cache(maxsize=256)
def _update(*names: str) -> PreparedStatement:
    """Return the UPDATE of these columns, whose new values are parameters: SQLAlchemy keeps the plain names."""
    table = cast("Table", Task.__table__)
    statement = update(table).where(table.c.id == bindparam("task_id"))
    values = statement.values({name: bindparam(f"new_{name}") for name in names})
    return PreparedStatement(values.returning(*table.c))


@lru_cache(maxsize=256)
def _page(wanted: _FilterShape, shape: PageShape) -> PreparedPage:
    statement = select(*Task.__table__.c).where(Task.board_id == bindparam("board_id"))
    if wanted.by_status:
        statement = statement.where(Task.status == any_(bindparam("statuses")))
    if wanted.by_agent:
        statement = statement.where(Task.assigned_agent_id == bindparam("assigned_agent_id"))
    if wanted.unassigned is not None:
        nobody = Task.assigned_agent_id.is_(None)
        statement = statement.where(nobody if wanted.unassigned else ~nobody)
    if wanted.by_search:
        statement = statement.where(matches(Task.title, Task.description, bindparam("search")))
    return prepare_page(statement, _TASKS, shape)


class TaskRepository(Repository[Task]):
    model_type = Task

    async def page(self, board_id: UUID, wanted: TaskFilter, window: Window) -> Slice:
        """Return rows of the board's tasks, newest first."""
        return await fetch_slice(
            self.session,
            partial(_page, wanted.shape),
            _TASKS,
            window,
            board_id=board_id,
            statuses=sorted(wanted.statuses),
            assigned_agent_id=wanted.assigned_agent_id,
            search=wanted.search,
        )

    async def get_row(self, board_id: UUID, task_id: UUID) -> Task:
        """Return a row with the model's columns, which cannot be changed. Raises NotFoundError."""
        found: list[Task] = await fetch_rows(self.session, _SELECT_ONE, board_id=board_id, task_id=task_id)
        return self.check_not_found(found[0] if found else None)

    async def get_view(self, board_id: UUID, task_id: UUID) -> TaskView:
        """Return a row as `get_row` does, with all that is shown with it, by one statement. Raises NotFoundError."""
        found = await fetch_rows(self.session, _SELECT_VIEW, board_id=board_id, task_id=task_id)
        return view_of_row(self.check_not_found(found[0] if found else None))

    async def lock_view(self, board_id: UUID, task_id: UUID) -> TaskView:
        """Return what `get_view` does; nobody else changes the task until the transaction ends.

        The view has a statement of its own: where the lock is waited for, the subqueries of the one that takes it would
        show what was stored before the wait.
        """
        self.check_not_found(await execute_prepared(self.session, _LOCK, board_id=board_id, task_id=task_id) or None)
        return await self.get_view(board_id, task_id)

    async def lock_row_against_deletion(self, board_id: UUID, task_id: UUID) -> Task:
        """Return what `get_row` does; nobody deletes the task until the transaction ends."""
        found: list[Task] = await execute_prepared(
            self.session, _LOCK_ROW_AGAINST_DELETION, board_id=board_id, task_id=task_id
        )
        return self.check_not_found(found[0] if found else None)

    async def update_row(self, task_id: UUID, **columns: object) -> Task:
        """Store these values, and return the row as it is then. Raises NotFoundError where another has deleted it."""
        values = {"updated_at": datetime.now(UTC), **columns}
        given = {f"new_{name}": value for name, value in values.items()}
        found: list[Task] = await execute_prepared(self.session, _update(*values), task_id=task_id, **given)
        return self.check_not_found(found[0] if found else None)

    async def add_row(self, **columns: object) -> Task:
        """Add a task and return a row of it, as `get_row` does: one prepared statement."""
        (row,) = await execute_prepared(self.session, _INSERT, **columns)
        stored: Task = row
        return stored

    async def details(self, task_ids: Sequence[UUID]) -> dict[UUID, TaskDetails]:
        """Return what belongs to each of these tasks, perhaps nothing; in two statements however many they are."""
        found: dict[UUID, TaskDetails] = defaultdict(TaskDetails)
        for task_id, other_id, status in await fetch_rows(self.session, _DEPENDENCIES, task_ids=task_ids):
            found[task_id].add_dependency(other_id, status)
        for task_id, tags in (await self.tags(task_ids)).items():
            found[task_id].tags = tags
        return found

    async def tags(self, task_ids: Sequence[UUID]) -> dict[UUID, list[TagOfTask]]:
        """Return the tags of each task, by name; a task without any is left out."""
        found: dict[UUID, list[TagOfTask]] = defaultdict(list)
        for tag in await fetch_rows(self.session, _TAGS, task_ids=task_ids):
            found[tag.task_id].append(tag)
        return found

    async def existing_ids(self, board_id: UUID, task_ids: Collection[UUID]) -> set[UUID]:
        statement = select(Task.id).where(Task.board_id == board_id, Task.id.in_(task_ids))
        return set((await self.session.scalars(statement)).all())

    async def any_waits_for(self, starts: Collection[UUID], task_id: UUID) -> bool:
        """Return whether one of `starts` is the task, or waits for it over any number of steps."""
        reached = (
            select(TaskDependency.depends_on_task_id.label("id"))
            .where(TaskDependency.task_id.in_(starts))
            .cte("reached", recursive=True)
        )
        # UNION, not UNION ALL: it ends although the graph has several ways to one task.
        reached = reached.union(
            select(TaskDependency.depends_on_task_id).join(reached, TaskDependency.task_id == reached.c.id)
        )
        if task_id in starts:
            return True
        return bool(await self.session.scalar(select(select(reached.c.id).where(reached.c.id == task_id).exists())))

    async def replace_dependencies(self, board: Board, task_id: UUID, depends_on: Collection[UUID]) -> None:
        await self.session.execute(delete(TaskDependency).where(TaskDependency.task_id == task_id))
        await self.add_dependencies(board, task_id, depends_on)

    async def add_dependencies(self, board: Board, task_id: UUID, depends_on: Collection[UUID]) -> None:
        if depends_on:
            common = {"organization_id": board.organization_id, "task_id": task_id}
            rows = [{**common, "depends_on_task_id": other} for other in depends_on]
            await self.session.execute(insert(TaskDependency), rows)

    async def replace_tags(self, board: Board, task_id: UUID, tag_ids: Collection[UUID]) -> None:
        await self.session.execute(delete(TaskTag).where(TaskTag.task_id == task_id))
        await self.add_tags(board, task_id, tag_ids)

    async def add_tags(self, board: Board, task_id: UUID, tag_ids: Collection[UUID]) -> None:
        if tag_ids:
            common = {"organization_id": board.organization_id, "task_id": task_id}
            await self.session.execute(insert(TaskTag), [{**common, "tag_id": tag} for tag in tag_ids])


class TaskCommentRepository(Repository[TaskComment]):
    model_type = TaskComment

    async def page(self, task_id: UUID, window: Window) -> Slice:
        """Return the comments of the task, oldest first."""
        statement = select(TaskComment).where(TaskComment.task_id == task_id)
        return await read_slice(self.session, statement, _COMMENTS, window)

    async def has_any(self, task_id: UUID) -> bool:
        """Return whether the task has a comment; `exists` would count them all."""
        comment = select(TaskComment.id).where(TaskComment.task_id == task_id)
        return bool(await self.session.scalar(select(comment.exists())))
