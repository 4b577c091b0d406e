"""Board groups: opening one, by its own id or by that of a board in it; changing them."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ForbiddenError, NotFoundError
from app.models import BoardGroup
from app.repositories.access import AccessScope
from app.repositories.board_groups import BoardGroupRepository
from app.services.activity import ActivityLog
from app.services.boards import open_board
from app.services.identity import Caller


async def open_group(session: AsyncSession, caller: Caller, group_id: UUID, *, write: bool = False) -> BoardGroup:
    """Raises NotFoundError unless the caller may read a board of the group, and ForbiddenError unless he may write one.

    For whoever may read, or write, all boards the group may have none.
    """
    found = await BoardGroupRepository(session=session).find(caller.access, group_id)
    if found is None:
        raise NotFoundError
    if write and not found.may_write:
        raise ForbiddenError
    return found.group


async def open_group_of(
    session: AsyncSession, caller: Caller, board_id: UUID, *, write: bool = False
) -> BoardGroup | None:
    """The group that the board is in, if it is in one. Raises as `open_board`."""
    board = await open_board(session, caller, board_id, write=write)
    if board.board_group_id is None:
        return None
    found = await BoardGroupRepository(session=session).find(caller.access, board.board_group_id)
    # None where another request has just deleted the group.
    return found.group if found else None


async def create_group(session: AsyncSession, caller: Caller, fields: dict[str, Any]) -> BoardGroup:
    """Raises ForbiddenError, PeopleOnlyError and SlugTakenError."""
    access = _require_all_boards(caller)
    group = await BoardGroupRepository(session=session).store(
        BoardGroup(organization_id=access.organization_id, **fields)
    )
    await _note(session, caller, "created", group, group.name)
    return group


async def update_group(session: AsyncSession, caller: Caller, group_id: UUID, changes: dict[str, Any]) -> BoardGroup:
    """Raises NotFoundError, and as `create_group`."""
    group = await open_group(session, caller, group_id)
    _require_all_boards(caller)
    for name, value in changes.items():
        setattr(group, name, value)
    await BoardGroupRepository(session=session).store(group)
    await _note(session, caller, "updated", group, ", ".join(changes))
    return group


async def delete_group(session: AsyncSession, caller: Caller, group_id: UUID) -> None:
    """Its boards stay. Raises NotFoundError, ForbiddenError and PeopleOnlyError."""
    group = await open_group(session, caller, group_id)
    _require_all_boards(caller)
    await BoardGroupRepository(session=session).remove(group.id)
    await _note(session, caller, "deleted", group, group.name)


def _require_all_boards(caller: Caller) -> AccessScope:
    access = caller.member_access
    if not access.writes_all:
        raise ForbiddenError("Changing board groups takes an owner, an admin, or a member who may write all boards.")
    return access


async def _note(session: AsyncSession, caller: Caller, verb: str, group: BoardGroup, message: str) -> None:
    log = ActivityLog(session, caller, group.organization_id)
    await log.record(f"board_group.{verb}", message, board_group_id=group.id)
