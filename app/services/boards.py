"""Boards: opening one, which is the one way from an id in a path to a board that the caller may use; changing them."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequestError, FieldProblem, ForbiddenError, NotFoundError
from app.models import Board
from app.repositories.access import AccessScope
from app.repositories.board_groups import BoardGroupRepository
from app.repositories.boards import BoardRepository, find_board
from app.services.activity import ActivityLog
from app.services.identity import Caller, PeopleOnlyError


class UnknownReferenceError(BadRequestError):
    """A field names something that does not exist in this organization, or does not exist yet at all."""

    code = "unknown_reference"

    def __init__(self, field: str, what: str) -> None:
        super().__init__(errors=(FieldProblem(f"/{field}", f"There is no such {what}."),))


class UnknownBoardError(UnknownReferenceError):
    """The board that a field names is not there, or not one that the caller may read."""

    implies_access = False

    def __init__(self) -> None:
        super().__init__("board_id", "board")


async def open_board(session: AsyncSession, caller: Caller, board_id: UUID, *, write: bool = False) -> Board:
    """The board, to look at. Raises NotFoundError unless the caller may read it, and ForbiddenError to write."""
    access, prefetched = caller.access, caller.prefetched_board
    # Within a transaction something may be locked, and what was found with the caller is as it was before that.
    if prefetched is not None and prefetched.board_id == board_id and not session.in_transaction():
        found = prefetched.found
    else:
        found = await find_board(session, access, board_id)
    if found is None:
        raise NotFoundError
    if write and not found.may_write:
        raise ForbiddenError
    return found.board


async def create_board(session: AsyncSession, caller: Caller, fields: dict[str, Any]) -> Board:
    """Raises ForbiddenError, UnknownReferenceError and SlugTakenError."""
    access = caller.member_access
    if not access.writes_all:
        raise ForbiddenError("Creating boards takes an owner, an admin, or a member who may write all boards.")
    await _check_group(session, access, fields["board_group_id"])
    board = await BoardRepository(session=session).store(Board(organization_id=access.organization_id, **fields))
    await ActivityLog(session, caller, access.organization_id).record("board.created", board.name, board_id=board.id)
    return board


async def update_board(session: AsyncSession, caller: Caller, board_id: UUID, changes: dict[str, Any]) -> Board:
    """Raises as `open_board`, PeopleOnlyError, UnknownReferenceError and SlugTakenError."""
    board = await _open_for_people(session, caller, board_id)
    await _check_group(session, caller.access, changes.get("board_group_id"))
    for name, value in changes.items():
        setattr(board, name, value)
    await BoardRepository(session=session).store(board)
    await ActivityLog(session, caller, board.organization_id).record(
        "board.updated", ", ".join(changes), board_id=board.id
    )
    return board


async def delete_board(session: AsyncSession, caller: Caller, board_id: UUID) -> None:
    """Raises as `open_board`, and PeopleOnlyError."""
    board = await _open_for_people(session, caller, board_id)
    await BoardRepository(session=session).remove(board.id)
    await ActivityLog(session, caller, board.organization_id).record("board.deleted", board.name, board_id=board.id)


async def _open_for_people(session: AsyncSession, caller: Caller, board_id: UUID) -> Board:
    await open_board(session, caller, board_id, write=True)
    if caller.agent:
        # It works on its board; what the board is and asks for is not its own to say.
        raise PeopleOnlyError
    return await BoardRepository(session=session).get(board_id)


async def _check_group(session: AsyncSession, access: AccessScope, board_group_id: UUID | None) -> None:
    """Raises UnknownReferenceError, and ForbiddenError where he may only read the group.

    Whoever may use a board may use its group: a writer of one board must not so come into a group that is not his.
    """
    if board_group_id is None:
        return
    found = await BoardGroupRepository(session=session).find(access, board_group_id)
    if found is None:
        raise UnknownReferenceError("board_group_id", "board group")
    if not found.may_write:
        raise ForbiddenError("Putting a board into a group takes writing one of the boards in it, or all boards.")
