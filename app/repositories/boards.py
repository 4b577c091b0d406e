"""Boards, as far as a member may see them."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, or_, select

from app.core.errors import ConflictError, NotFoundError
from app.core.paging import Slice, Window
from app.db.request.prepared import AnySession, PreparedStatement, fetch_rows, row_factory
from app.models import Board
from app.repositories.access import AccessScope, AccessShape, RowAccess
from app.repositories.base import Repository
from app.repositories.constraints import translating
from app.repositories.keyset import read_slice
from app.repositories.search import matches
from app.repositories.sorting import Ordering

_ORDER = Ordering("boards", Board, sortable=("updated_at", "name"))


class SlugTakenError(ConflictError):
    code = "slug_taken"
    default_detail = "Another object of this organization has this slug."


class OpenBoard(NamedTuple):
    """A board that the caller may read; `board` is a row with the model's columns, and cannot be changed."""

    board: Board
    may_write: bool


_LOCKED = (
    select(Board)
    .where(Board.id == bindparam("board_id"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


_COLUMNS = tuple(Board.__table__.c)
_row = row_factory(_COLUMNS)


@cache
def _open(shape: AccessShape) -> PreparedStatement:
    access = shape.parameterized()
    return PreparedStatement(
        select(*_COLUMNS, access.writable(Board.id).label("may_write")).where(
            Board.id == bindparam("board_id"),
            Board.organization_id == access.organization_id,
            access.readable(Board.id),
        )
    )


async def find_board(session: AnySession, access: AccessScope, board_id: UUID) -> OpenBoard | None:
    """The board, in one statement; None also where it is another organization's, or not the caller's to read."""
    found = await fetch_rows(session, _open(access.shape), board_id=board_id, **access.parameters)
    return OpenBoard(_row(found[0][:-1]), found[0].may_write) if found else None


def beside_board(statement: Select[Any], row_access: RowAccess) -> Select[Any]:
    """With the board `board_id` in each row, as far as who is in the row may use it: `board_beside` takes it out."""
    access = row_access.scope
    return statement.outerjoin(
        Board, and_(Board.id == bindparam("board_id"), Board.organization_id == access.organization_id)
    ).add_columns(
        *(column.label(f"prefetched_{column.name}") for column in _COLUMNS),
        or_(row_access.reads_all, access.readable(Board.id)).label("prefetched_may_read"),
        or_(row_access.writes_all, access.writable(Board.id)).label("prefetched_may_write"),
    )


def board_beside(row: Sequence[Any]) -> OpenBoard | None:
    """As `find_board` has it, of a row of such a statement."""
    *board, may_read, may_write = row[-len(_COLUMNS) - 2 :]
    return OpenBoard(_row(board), may_write) if may_read and board[0] is not None else None


class BoardRepository(Repository[Board]):
    model_type = Board

    async def store(self, board: Board) -> Board:
        """Raises SlugTakenError."""
        with translating("uq_boards_organization_id_slug", SlugTakenError):
            self.session.add(board)
            await self.session.flush()
        return board

    async def page(self, access: AccessScope, board_group_id: UUID | None, search: str | None, window: Window) -> Slice:
        """The boards that the caller may read, newest first; with a group those in it, with `search` what it finds."""
        statement = select(Board).where(Board.organization_id == access.organization_id, access.readable(Board.id))
        if board_group_id is not None:
            statement = statement.where(Board.board_group_id == board_group_id)
        if search:
            statement = statement.where(matches(Board.name, Board.description, search))
        return await read_slice(self.session, statement, _ORDER, window)

    async def of_organization(self, organization_id: UUID, board_ids: Collection[UUID]) -> set[UUID]:
        """Those of these boards that are the organization's; they stay until the transaction ends."""
        statement = (
            select(Board.id)
            .where(Board.organization_id == organization_id, Board.id.in_(board_ids))
            .order_by(Board.id)
            .with_for_update(read=True, key_share=True)
        )
        return set((await self.session.scalars(statement)).all())

    async def lock(self, board_id: UUID) -> Board:
        """Until the transaction ends, nobody else changes what the board's tasks wait for, nor the board's rules.

        The board is as whoever had to wait finds it. Raises NotFoundError where it is gone by then.
        """
        board = (await self.session.scalars(_LOCKED, {"board_id": board_id})).one_or_none()
        if board is None:
            raise NotFoundError
        return board
