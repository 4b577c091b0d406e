"""Boards at a glance, alone and in a group."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Agent, Board, BoardGroup, BoardMemory, Tag, TaskStatus
from app.repositories.approvals import ApprovalRepository
from app.repositories.snapshots import AssignedTask, BoardsOfGroup, Naming, SnapshotRepository
from app.repositories.tasks import TaskRepository
from app.services.approvals import Approvals, ApprovalView
from app.services.identity import Caller
from app.services.tasks import Tasks, TaskView

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
    tags: dict[UUID, list[Tag]]


class Scope(NamedTuple):
    """What is wanted of it: the first `tasks` of each board, those that are done too; all boards `but` one."""

    tasks: int
    include_done: bool
    but: UUID | None = None


async def snapshot_of(session: AsyncSession, caller: Caller, group: BoardGroup | None, scope: Scope) -> GroupSnapshot:
    """Of a group that the caller has opened; in four statements however many boards and tasks there are."""
    if group is None:
        return GroupSnapshot(None, (), {})
    snapshots = SnapshotRepository(session)
    wanted = BoardsOfGroup(caller.access, group.id, scope.but)
    boards = await snapshots.boards(wanted)
    counts = await snapshots.task_counts(wanted)
    tasks = await snapshots.first_tasks(wanted, scope.tasks, include_done=scope.include_done)
    tags = await TaskRepository(session=session).tags([row.task.id for rows in tasks.values() for row in rows])
    none_of_any = dict.fromkeys(map(str, TaskStatus), 0)
    parts = [BoardPart(board, none_of_any | counts.get(board.id, {}), tasks.get(board.id, ())) for board in boards]
    return GroupSnapshot(group, parts, tags)


class TaskCard(NamedTuple):
    """A task with the name of the agent that works on it, and how many approvals name it."""

    view: TaskView
    assignee: str | None
    naming: Naming


class BoardSnapshot(NamedTuple):
    """A board with what is on it, up to MAX_TASKS tasks and MAX_OTHERS of each other kind; the count is exact."""

    board: Board
    tasks: Sequence[TaskCard]
    agents: Sequence[Agent]
    approvals: Sequence[ApprovalView]
    chat: Sequence[BoardMemory]
    pending_approvals: int


async def snapshot_of_board(session: AsyncSession, caller: Caller, board: Board) -> BoardSnapshot:
    """Of a board that the caller has opened; in ten statements at most, however much there is on it."""
    snapshots = SnapshotRepository(session)
    rows = await snapshots.tasks_of_board(board.id, MAX_TASKS)
    views = await Tasks(session, caller, board).views([row.task for row in rows])
    namings = await snapshots.namings([row.task.id for row in rows])
    approvals = await snapshots.approvals_of_board(board.id, MAX_OTHERS)
    return BoardSnapshot(
        board,
        [
            TaskCard(view, row.assignee, namings.get(row.task.id) or Naming())
            for row, view in zip(rows, views, strict=True)
        ],
        await snapshots.agents_of_board(board.id, MAX_OTHERS),
        await Approvals(session, caller, board).views(approvals),
        await snapshots.chat_of_board(board.id, MAX_OTHERS),
        await ApprovalRepository(session=session).pending(board.id),
    )
