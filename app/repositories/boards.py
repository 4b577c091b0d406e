"""Boards, as far as a caller may see them."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, or_, select

from app.core.errors import ConflictError
from app.core.pagination import Slice, Window
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows, row_factory
from app.models import Board
from app.repositories.access import AccessScope, AccessShape, RowAccess
from app.repositories.base import ConstraintErrors, Repository
from app.repositories.keyset import read_slice
from app.repositories.search import matches
from app.repositories.sorting import Ordering

_ORDER = Ordering("boards", Board, sortable=("updated_at", "name"))
_COLUMNS = tuple(Board.__table__.c)
_row = row_factory(_COLUMNS)
_LOCK_ROW = PreparedStatement(
    # As `lock` does.
    select(*_COLUMNS).where(Board.id == bindparam("board_id")).with_for_update(key_share=True)
)


class SlugTakenError(ConflictError):
    code = "slug_taken"
    default_detail = "Another object of this organization has this slug."


class ReadableBoard(NamedTuple):
    """A board that the caller may read; `board` is a row with the model's columns, and cannot be changed."""

    board: Board
    may_write: bool


@cache
def _select_readable(shape: AccessShape) -> PreparedStatement:
    access = shape.parameterized()
    return PreparedStatement(
        select(*_COLUMNS, access.writable(Board.id).label("may_write")).where(
            Board.id == bindparam("board_id"),
            Board.organization_id == access.organization_id,
            access.readable(Board.id),
        )
    )


def with_board(statement: Select[Any], row_access: RowAccess) -> Select[Any]:
    """Return the statement with the board `board_id` in each row, for `board_of_row` to take out.

    Whether the caller in the row may read and write it is in the row, too.
    """
    access = row_access.scope
    return statement.outerjoin(
        Board, and_(Board.id == bindparam("board_id"), Board.organization_id == access.organization_id)
    ).add_columns(
        *(column.label(f"prefetched_{column.name}") for column in _COLUMNS),
        or_(row_access.reads_all, access.readable(Board.id)).label("prefetched_may_read"),
        or_(row_access.writes_all, access.writable(Board.id)).label("prefetched_may_write"),
    )


def board_of_row(row: Sequence[Any]) -> ReadableBoard | None:
    """Return what `get_row_or_none` would, from a row of a statement `with_board`."""
    *board, may_read, may_write = row[-len(_COLUMNS) - 2 :]
    return ReadableBoard(_row(board), may_write) if may_read and board[0] is not None else None


class BoardRepository(Repository[Board]):
    model_type = Board
    constraint_errors: ClassVar[ConstraintErrors] = {"uq_boards_organization_id_slug": SlugTakenError}

    async def page(self, access: AccessScope, board_group_id: UUID | None, search: str | None, window: Window) -> Slice:
        """Return the boards that the caller may read, newest first: of a group, and found by `search`, where given."""
        statement = select(Board).where(Board.organization_id == access.organization_id, access.readable(Board.id))
        if board_group_id is not None:
            statement = statement.where(Board.board_group_id == board_group_id)
        if search:
            statement = statement.where(matches(Board.name, Board.description, search))
        return await read_slice(self.session, statement, _ORDER, window)

    async def get_row_or_none(self, access: AccessScope, board_id: UUID) -> ReadableBoard | None:
        """Return the board, in one prepared statement; None also where the caller may not read it."""
        found = await fetch_rows(self.session, _select_readable(access.shape), board_id=board_id, **access.parameters)
        return ReadableBoard(_row(found[0][:-1]), found[0].may_write) if found else None

    async def lock_row(self, board_id: UUID) -> Board:
        """Return a row of the board as it is now, and have it stay so, as `lock` does: one prepared statement."""
        found: list[Board] = await execute_prepared(self.session, _LOCK_ROW, board_id=board_id)
        return self.check_not_found(found[0] if found else None)

    async def lock_existing_ids(self, organization_id: UUID, board_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the ids that are boards of the organization; none is deleted until the transaction ends."""
        statement = (
            select(Board.id)
            .where(Board.organization_id == organization_id, Board.id.in_(board_ids))
            .with_for_update(read=True, key_share=True)
        )
        return set((await self.session.scalars(statement)).all())
