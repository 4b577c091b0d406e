"""The memory of boards, and of groups of boards."""

from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from app.core.pagination import Slice, Window
from app.models import BoardGroupMemory, BoardMemory
from app.repositories.base import Repository
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_BOARDS = Ordering("board memory", BoardMemory)
_GROUPS = Ordering("board group memory", BoardGroupMemory)


class BoardMemoryRepository(Repository[BoardMemory]):
    model_type = BoardMemory

    async def page(self, board_id: UUID, is_chat: bool | None, window: Window) -> Slice:
        """Return what the board remembers, newest first; with `is_chat` the chat alone, or all but the chat."""
        statement = select(BoardMemory).where(BoardMemory.board_id == board_id, *_chat(BoardMemory.is_chat, is_chat))
        return await read_slice(self.session, statement, _BOARDS, window)


class BoardGroupMemoryRepository(Repository[BoardGroupMemory]):
    model_type = BoardGroupMemory

    async def page(self, group_id: UUID, is_chat: bool | None, window: Window) -> Slice:
        """Return what the group remembers, newest first; with `is_chat` the chat alone, or all but the chat."""
        of_group = BoardGroupMemory.board_group_id == group_id
        statement = select(BoardGroupMemory).where(of_group, *_chat(BoardGroupMemory.is_chat, is_chat))
        return await read_slice(self.session, statement, _GROUPS, window)


def _chat(column: InstrumentedAttribute[bool], is_chat: bool | None) -> tuple[ColumnElement[bool], ...]:
    return () if is_chat is None else (column.is_(is_chat),)
