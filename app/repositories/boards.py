"""Boards, as far as a member may see them."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import aliased

from app.core.errors import ConflictError, NotFoundError
from app.models import Board, BoardAccess, OrganizationMember, Role
from app.repositories.base import Repository
from app.repositories.constraints import translating
from app.repositories.keyset import Ordering, Slice, Window, read_slice

_ORDER = Ordering("boards", Board.created_at, Board.id)


class SlugTakenError(ConflictError):
    code = "slug_taken"
    default_detail = "Another object of this organization has this slug."


class OpenBoard(NamedTuple):
    """A board that a member may read."""

    board: Board
    may_write: bool


class BoardRepository(Repository[Board]):
    model_type = Board

    async def store(self, board: Board) -> Board:
        """Raises SlugTakenError."""
        with translating("uq_boards_organization_id_slug", SlugTakenError):
            self.session.add(board)
            await self.session.flush()
        return board

    async def page(self, member: OrganizationMember, window: Window) -> Slice:
        """The boards that the member may read, newest first."""
        statement = select(Board).where(Board.organization_id == member.organization_id, _readable(member))
        return await read_slice(self.session, statement, _ORDER, window)

    async def find(self, member: OrganizationMember, board_id: UUID) -> OpenBoard | None:
        """The board, in one statement; None also where it is another organization's, or not his to read."""
        grant = and_(BoardAccess.board_id == Board.id, BoardAccess.organization_member_id == member.id)
        statement = (
            select(Board, BoardAccess.can_write)
            .outerjoin(BoardAccess, grant)
            .where(Board.id == board_id, Board.organization_id == member.organization_id, _readable(member))
        )
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            return None
        return OpenBoard(row[0], _reaches_all(member) or member.all_boards_write or bool(row[1]))

    async def lock(self, board_id: UUID) -> None:
        """Until the transaction ends, nobody else changes what the board's tasks wait for, nor the board's rules.

        Whoever had to wait sees the rules as they are by then. Raises NotFoundError where the board is gone by then.
        """
        statement = select(Board).where(Board.id == board_id).with_for_update(key_share=True)
        fresh = await self.session.scalars(statement.execution_options(populate_existing=True))
        if fresh.one_or_none() is None:
            raise NotFoundError


def _reaches_all(member: OrganizationMember) -> bool:
    return member.role in {Role.OWNER, Role.ADMIN}


def _readable(member: OrganizationMember) -> ColumnElement[bool]:
    if _reaches_all(member) or member.all_boards_read or member.all_boards_write:
        return true()
    # An alias, since `find` has the table in its own FROM.
    granted = aliased(BoardAccess)
    mine = and_(granted.board_id == Board.id, granted.organization_member_id == member.id)
    return select(granted.id).where(mine, or_(granted.can_read, granted.can_write)).exists()
