"""Writing into the memory of a board, or of a group, that the caller has opened to write."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.models import Board, BoardGroup, BoardGroupMemory, BoardMemory
from app.repositories.memory import BoardGroupMemoryRepository, BoardMemoryRepository
from app.services.activity import ActivityLog
from app.services.identity import Caller


class NoBoardGroupError(ConflictError):
    code = "no_board_group"
    default_detail = "The board is in no group."


async def remember(session: AsyncSession, caller: Caller, board: Board, fields: dict[str, Any]) -> BoardMemory:
    memory = BoardMemory(organization_id=board.organization_id, board_id=board.id, **fields)
    await BoardMemoryRepository(session=session).add(memory, auto_refresh=False)
    log = ActivityLog(session, caller, board.organization_id)
    await log.record("board_memory.created", memory.content, board_id=board.id, subject_id=memory.id)
    return memory


async def remember_in_group(
    session: AsyncSession, caller: Caller, group: BoardGroup | None, fields: dict[str, Any]
) -> BoardGroupMemory:
    """Raises NoBoardGroupError where there is no group, since the board that was opened is in none."""
    if group is None:
        raise NoBoardGroupError
    memory = BoardGroupMemory(organization_id=group.organization_id, board_group_id=group.id, **fields)
    await BoardGroupMemoryRepository(session=session).add(memory, auto_refresh=False)
    log = ActivityLog(session, caller, group.organization_id)
    await log.record("board_group_memory.created", memory.content, board_group_id=group.id, subject_id=memory.id)
    return memory
