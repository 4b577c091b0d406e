"""The memory of boards, and of groups of boards; the chat is a part of it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.core.errors import ConflictError
from app.core.pagination import Slice, Window
from app.models import BoardGroup, BoardGroupMemory, BoardMemory
from app.repositories.memory import BoardGroupMemoryRepository, BoardMemoryRepository
from app.services.base import Service
from app.services.board_groups import BoardGroupService
from app.services.boards import BoardService


class NoBoardGroupError(ConflictError):
    code = "no_board_group"
    default_detail = "The board is in no group."


class MemoryService(Service):
    """Memory, found by a board, by a group, or by the group that a board is in.

    With `is_chat` a page has the chat alone, or all but the chat; newest first. All methods raise NotFoundError, those
    that write ForbiddenError.
    """

    async def page_of_board(self, board_id: UUID, is_chat: bool | None, window: Window) -> Slice:
        board = await BoardService(self._session, self._caller).get(board_id)
        return await BoardMemoryRepository(session=self._session).page(board.id, is_chat, window)

    async def page_of_group(self, group_id: UUID, is_chat: bool | None, window: Window) -> Slice:
        group = await BoardGroupService(self._session, self._caller).get(group_id)
        return await self._page(group, is_chat, window)

    async def page_of_group_of_board(self, board_id: UUID, is_chat: bool | None, window: Window) -> Slice:
        """Return what the board's group remembers; nothing, where it is in none."""
        group = await BoardGroupService(self._session, self._caller).get_of_board(board_id)
        return await self._page(group, is_chat, window)

    async def add_to_board(self, board_id: UUID, fields: dict[str, Any]) -> BoardMemory:
        board = await BoardService(self._session, self._caller).get_writable(board_id)
        memory = BoardMemory(organization_id=board.organization_id, board_id=board.id, **fields)
        await BoardMemoryRepository(session=self._session).add(memory)
        log = self._activity_of(board.organization_id)
        await log.record("board_memory.created", memory.content, board_id=board.id, subject_id=memory.id)
        return memory

    async def add_to_group(self, group_id: UUID, fields: dict[str, Any]) -> BoardGroupMemory:
        return await self._add(await BoardGroupService(self._session, self._caller).get_writable(group_id), fields)

    async def add_to_group_of_board(self, board_id: UUID, fields: dict[str, Any]) -> BoardGroupMemory:
        """Add to what the board's group remembers. Raises NoBoardGroupError where it is in none."""
        group = await BoardGroupService(self._session, self._caller).get_of_writable_board(board_id)
        if group is None:
            raise NoBoardGroupError
        return await self._add(group, fields)

    async def get_by_ids(self, ids: Sequence[UUID | None]) -> dict[UUID | None, BoardMemory]:
        """Return those of these memories of boards that are there, without regard to who may read them."""
        return await BoardMemoryRepository(session=self._session).get_by_ids(ids)

    async def get_of_groups_by_ids(self, ids: Sequence[UUID | None]) -> dict[UUID | None, BoardGroupMemory]:
        """Return those of these memories of groups that are there, without regard to who may read them."""
        return await BoardGroupMemoryRepository(session=self._session).get_by_ids(ids)

    async def _page(self, group: BoardGroup | None, is_chat: bool | None, window: Window) -> Slice:
        if group is None:
            return Slice([], 0, None)
        return await BoardGroupMemoryRepository(session=self._session).page(group.id, is_chat, window)

    async def _add(self, group: BoardGroup, fields: dict[str, Any]) -> BoardGroupMemory:
        memory = BoardGroupMemory(organization_id=group.organization_id, board_group_id=group.id, **fields)
        await BoardGroupMemoryRepository(session=self._session).add(memory)
        log = self._activity_of(group.organization_id)
        await log.record("board_group_memory.created", memory.content, board_group_id=group.id, subject_id=memory.id)
        return memory
