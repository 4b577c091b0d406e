"""The boards of a group at a glance."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Board, BoardGroup, Tag, TaskStatus
from app.repositories.snapshots import AssignedTask, BoardsOfGroup, SnapshotRepository
from app.repositories.tasks import TaskRepository
from app.services.identity import Caller


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
    wanted = BoardsOfGroup(caller.reach, group.id, scope.but)
    boards = await snapshots.boards(wanted)
    counts = await snapshots.task_counts(wanted)
    tasks = await snapshots.first_tasks(wanted, scope.tasks, include_done=scope.include_done)
    tags = await TaskRepository(session=session).tags([row.task.id for rows in tasks.values() for row in rows])
    none_of_any = dict.fromkeys(map(str, TaskStatus), 0)
    parts = [BoardPart(board, none_of_any | counts.get(board.id, {}), tasks.get(board.id, ())) for board in boards]
    return GroupSnapshot(group, parts, tags)
