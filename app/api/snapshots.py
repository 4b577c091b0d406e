"""The controllers of snapshots, of a board and of a board group."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, Parameter

from app.api.agents import read_agent
from app.api.approvals import read_approval
from app.api.board_groups import read_group
from app.api.boards import read_board
from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import PathId, provide_service
from app.api.memory import read_memory
from app.api.openapi.errors import problems
from app.api.tasks import read_tag, read_task
from app.schemas.snapshots import (
    BoardGroupBoardSnapshot,
    BoardGroupSnapshot,
    BoardGroupTaskSummary,
    BoardSnapshot,
    TaskCardRead,
)
from app.services.snapshots import (
    AssignedTask,
    BoardPart,
    GroupSnapshot,
    SnapshotDepth,
    SnapshotService,
    TagOfTask,
    TaskCard,
)

Snapshots = NamedDependency[SnapshotService]
PerBoard = Annotated[int, Parameter(ge=0, le=100, description="The number of tasks of each board.")]


class BoardSnapshotController(Controller):
    path = "/boards/{board_id:uuid}/snapshot"
    tags = ("boards",)
    dependencies = provide_service(SnapshotService)

    @get(
        operation_id="get_board_snapshot",
        summary="Read a board with its tasks, agents, approvals and chat",
        responses=problems(404),
    )
    async def read(self, board_id: PathId, service: Snapshots) -> BoardSnapshot:
        """Read up to 500 tasks, those in progress first and those done last.

        Agents, approvals (pending first) and chat messages (the newest, in the order in which they were written) are up
        to 200 each. The lists have the rest.
        """
        found = await service.get_board(board_id)
        return BoardSnapshot(
            board=read_board(found.board),
            tasks=[_read_card(card) for card in found.tasks],
            agents=[read_agent(agent) for agent in found.agents],
            approvals=[read_approval(view) for view in found.approvals],
            chat_messages=[read_memory(memory) for memory in found.chat],
            pending_approvals_count=found.pending_approvals,
        )


class GroupSnapshotController(Controller):
    path = "/"
    tags = ("board-groups",)
    dependencies = provide_service(SnapshotService)

    @get(
        "/board-groups/{group_id:uuid}/snapshot",
        operation_id="get_board_group_snapshot",
        summary="Read the boards of a board group, with their first tasks",
        responses=problems(404),
    )
    async def of_group(
        self,
        group_id: PathId,
        service: Snapshots,
        include_done: FromQuery[bool] = False,
        per_board_task_limit: PerBoard = 5,
    ) -> BoardGroupSnapshot:
        """Read the boards that you may read. Tasks in progress come first, then those in review, each by priority."""
        return _read(await service.get_group(group_id, SnapshotDepth(per_board_task_limit, include_done)))

    @get(
        "/boards/{board_id:uuid}/group-snapshot",
        operation_id="get_group_snapshot_of_board",
        summary="Read the other boards of a board's group, with their first tasks",
        responses=problems(404),
    )
    async def of_board(
        self,
        board_id: PathId,
        service: Snapshots,
        include_self: FromQuery[bool] = False,
        include_done: FromQuery[bool] = False,
        per_board_task_limit: PerBoard = 5,
    ) -> BoardGroupSnapshot:
        """Read them as the group's snapshot has them. With `include_self` the board itself is among them."""
        depth = SnapshotDepth(per_board_task_limit, include_done)
        return _read(await service.get_group_of_board(board_id, depth, include_self=include_self))


def _read(found: GroupSnapshot) -> BoardGroupSnapshot:
    group = read_group(found.group) if found.group else None
    return BoardGroupSnapshot(group=group, boards=[_read_part(part, found.tags) for part in found.parts])


def _read_part(part: BoardPart, tags: dict[UUID, list[TagOfTask]]) -> BoardGroupBoardSnapshot:
    tasks = [_read_task(row, part.board.name, tags.get(row.task.id, ())) for row in part.tasks]
    return BoardGroupBoardSnapshot(board=read_board(part.board), task_counts=part.task_counts, tasks=tasks)


def _read_task(row: AssignedTask, board_name: str, tags: Sequence[TagOfTask]) -> BoardGroupTaskSummary:
    shown = [read_tag(tag) for tag in tags]
    return to_shape(BoardGroupTaskSummary, row.task, board_name=board_name, assignee=row.assignee, tags=shown)


def _read_card(card: TaskCard) -> TaskCardRead:
    return to_shape(
        TaskCardRead,
        read_task(card.view),
        assignee=card.assignee,
        approvals_count=card.approvals.total,
        approvals_pending_count=card.approvals.pending,
    )
