"""Boards, as far as a member may see them."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, select

from app.core.errors import ConflictError, NotFoundError
from app.models import Board, BoardAccess
from app.repositories.base import Repository
from app.repositories.constraints import translating
from app.repositories.keyset import Slice, Window, read_slice
from app.repositories.reach import Reach
from app.repositories.search import matches
from app.repositories.sorting import Ordering

_ORDER = Ordering("boards", Board, sortable=("updated_at", "name"))


class SlugTakenError(ConflictError):
    code = "slug_taken"
    default_detail = "Another object of this organization has this slug."


class OpenBoard(NamedTuple):
    """A board that the caller may read."""

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

    async def page(self, reach: Reach, board_group_id: UUID | None, search: str | None, window: Window) -> Slice:
        """The boards that the caller may read, newest first; with a group those in it, with `search` what it finds."""
        statement = select(Board).where(Board.organization_id == reach.organization_id, reach.readable(Board.id))
        if board_group_id is not None:
            statement = statement.where(Board.board_group_id == board_group_id)
        if search:
            statement = statement.where(matches(Board.name, Board.description, search))
        return await read_slice(self.session, statement, _ORDER, window)

    async def find(self, reach: Reach, board_id: UUID) -> OpenBoard | None:
        """The board, in one statement; None also where it is another organization's, or not the caller's to read."""
        grant = and_(BoardAccess.board_id == Board.id, BoardAccess.organization_member_id == reach.member_id)
        statement = (
            select(Board, BoardAccess.can_write)
            .outerjoin(BoardAccess, grant)
            .where(Board.id == board_id, Board.organization_id == reach.organization_id, reach.readable(Board.id))
        )
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            return None
        return OpenBoard(row[0], reach.writes_all or reach.board_id == board_id or bool(row[1]))

    async def of_organization(self, organization_id: UUID, board_ids: Collection[UUID]) -> set[UUID]:
        """Those of these boards that are the organization's; they stay until the transaction ends."""
        statement = (
            select(Board.id)
            .where(Board.organization_id == organization_id, Board.id.in_(board_ids))
            .order_by(Board.id)
            .with_for_update(read=True, key_share=True)
        )
        return set((await self.session.scalars(statement)).all())

    async def lock(self, board_id: UUID) -> None:
        """Until the transaction ends, nobody else changes what the board's tasks wait for, nor the board's rules.

        Whoever had to wait sees the rules as they are by then. Raises NotFoundError where the board is gone by then.
        """
        statement = select(Board).where(Board.id == board_id).with_for_update(key_share=True)
        fresh = await self.session.scalars(statement.execution_options(populate_existing=True))
        if fresh.one_or_none() is None:
            raise NotFoundError
