"""Boards at a glance, alone and in a group."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from app.models import Agent, Board, BoardGroup, BoardMemory, TaskStatus
from app.repositories.snapshots import AssignedTask, BoardsOfGroup, SnapshotRepository
from app.repositories.task_details import TagOfTask
from app.repositories.tasks import TaskRepository
from app.services.approvals import ApprovalCount, ApprovalService, ApprovalView
from app.services.base import Service
from app.services.board_groups import BoardGroupService
from app.services.boards import BoardService
from app.services.tasks import TaskService, TaskView

__all__ = ("AssignedTask", "SnapshotService", "TagOfTask")

# What a board has more of is in its lists.
MAX_TASKS = 500
MAX_OTHERS = 200


class BoardPart(NamedTuple):
    """A board, how many tasks it has of each status, and its first ones."""

    board: Board
    task_counts: dict[str, int]
    tasks: Sequence[AssignedTask]


class GroupSnapshot(NamedTuple):
    """The boards of a group that the caller may read; `tags` are those of the tasks, by the task's id."""

    group: BoardGroup | None
    parts: Sequence[BoardPart]
    tags: dict[UUID, list[TagOfTask]]


class SnapshotDepth(NamedTuple):
    """The size of a group's snapshot: the first `tasks` of each board, perhaps with those that are done."""

    tasks: int
    include_done: bool


class TaskCard(NamedTuple):
    """A task with the name of the agent that works on it, and how many approvals name it."""

    view: TaskView
    assignee: str | None
    approvals: ApprovalCount


class BoardSnapshot(NamedTuple):
    """A board with what is on it, up to MAX_TASKS tasks and MAX_OTHERS of each other kind; the count is exact."""

    board: Board
    tasks: Sequence[TaskCard]
    agents: Sequence[Agent]
    approvals: Sequence[ApprovalView]
    chat: Sequence[BoardMemory]
    pending_approvals: int


class SnapshotService(Service):
    """Snapshots of what the caller may read, in a fixed number of statements. All methods raise NotFoundError."""

    async def get_board(self, board_id: UUID) -> BoardSnapshot:
        """Return a board with what is on it, in ten statements at most."""
        board = await BoardService(self._session, self._caller).get(board_id)
        tasks, approvals = TaskService(self._session, self._caller), ApprovalService(self._session, self._caller)
        rows = await self._snapshots.list_tasks(board.id, MAX_TASKS)
        views = await tasks.views(board.id, [row.task for row in rows])
        counts = await approvals.count_by_task([row.task.id for row in rows])
        cards = [
            TaskCard(view, row.assignee, counts.get(row.task.id) or ApprovalCount())
            for row, view in zip(rows, views, strict=True)
        ]
        return BoardSnapshot(
            board,
            cards,
            await self._snapshots.list_agents(board.id, MAX_OTHERS),
            await approvals.views(await self._snapshots.list_approvals(board.id, MAX_OTHERS)),
            await self._snapshots.list_chat(board.id, MAX_OTHERS),
            await approvals.count_pending(board.id),
        )

    async def get_group(self, group_id: UUID, depth: SnapshotDepth) -> GroupSnapshot:
        """Return a group's boards with their first tasks."""
        group = await BoardGroupService(self._session, self._caller).get(group_id)
        return await self._group(group, depth, without=None)

    async def get_group_of_board(self, board_id: UUID, depth: SnapshotDepth, *, include_self: bool) -> GroupSnapshot:
        """Return the boards of the board's group with their first tasks; nothing, where it is in none."""
        group = await BoardGroupService(self._session, self._caller).get_of_board(board_id)
        if group is None:
            return GroupSnapshot(None, (), {})
        return await self._group(group, depth, without=None if include_self else board_id)

    @cached_property
    def _snapshots(self) -> SnapshotRepository:
        return SnapshotRepository(session=self._session)

    async def _group(self, group: BoardGroup, depth: SnapshotDepth, without: UUID | None) -> GroupSnapshot:
        wanted = BoardsOfGroup(self._caller.access, group.id, without)
        boards = await self._snapshots.list_boards(wanted)
        counts = await self._snapshots.task_counts(wanted)
        tasks = await self._snapshots.list_first_tasks(wanted, depth.tasks, include_done=depth.include_done)
        ids = [row.task.id for rows in tasks.values() for row in rows]
        tags = await TaskRepository(session=self._session).tags(ids)
        zero = dict.fromkeys(map(str, TaskStatus), 0)
        parts = [BoardPart(board, zero | counts.get(board.id, {}), tasks.get(board.id, ())) for board in boards]
        return GroupSnapshot(group, parts, tags)
