"""The memory of boards and of groups of boards."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from app.schemas.shared_types import NOT_BLANK, Message, Moment, Request, ShortText

MemoryTag = Annotated[str, Meta(min_length=1, max_length=100, pattern=NOT_BLANK)]
MemoryTags = Annotated[list[MemoryTag], Meta(max_length=50)]


class BoardMemoryCreate(Request):
    """A new memory item. With `chat` among its tags it is part of the chat."""

    content: Message
    tags: MemoryTags | None = None
    source: ShortText | None = None


class BoardGroupMemoryCreate(BoardMemoryCreate):
    """A new memory item of a group. With `chat` among its tags it is part of the group's chat."""


class _MemoryRead(msgspec.Struct, kw_only=True):
    id: UUID
    content: str
    tags: list[str] | None
    source: str | None
    is_chat: bool
    created_at: Moment


class BoardMemoryRead(_MemoryRead, kw_only=True):
    board_id: UUID


class BoardGroupMemoryRead(_MemoryRead, kw_only=True):
    board_group_id: UUID
