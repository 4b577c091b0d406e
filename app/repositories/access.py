"""The boards of an organization that a caller may see and change: this module says so for every table."""

from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.models import Agent, Board, BoardAccess, OrganizationMember, Role

_PARAMETERS = ("organization_id", "member_id", "board_id")


class AccessShape(NamedTuple):
    """The form of an AccessScope's conditions, which many callers have in common."""

    is_member: bool
    reads_all: bool
    writes_all: bool

    def parameterized(self) -> "AccessScope":
        """Return a scope for a prepared statement, which takes `AccessScope.parameters` when it is fetched."""
        organization, member, board = (cast("UUID", bindparam(f"access_{name}")) for name in _PARAMETERS)
        return AccessScope(
            organization,
            member_id=member if self.is_member else None,
            board_id=board,
            reads_all=self.reads_all,
            writes_all=self.writes_all,
        )


class AccessScope(NamedTuple):
    """The part of an organization that a caller may use.

    A member's grants count unless the member may read or write all boards. An agent has its own board.
    """

    organization_id: UUID
    member_id: UUID | None = None
    board_id: UUID | None = None
    reads_all: bool = False
    writes_all: bool = False

    @property
    def shape(self) -> AccessShape:
        return AccessShape(self.member_id is not None, self.reads_all, self.writes_all)

    @property
    def parameters(self) -> dict[str, UUID | None]:
        return {f"access_{name}": getattr(self, name) for name in _PARAMETERS}

    def readable(self, board_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Return whether the board with the id in this column, one of the organization's, may be read."""
        return true() if self.reads_all else self._granted(board_id, "can_read", "can_write")

    def shown(self, board_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Return whether the board may be read; members are also shown what is on no board."""
        readable = self.readable(board_id)
        return readable if self.member_id is None else or_(readable, board_id.is_(None))

    def writable(self, board_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Return whether the board with the id in this column may be changed."""
        return true() if self.writes_all else self._granted(board_id, "can_write")

    def _granted(self, board_id: InstrumentedAttribute[Any], *rights: str) -> ColumnElement[bool]:
        """Return whether the agent is on the board, or the member has a grant on it with one of these rights."""
        if self.member_id is None:
            return board_id == self.board_id
        # An alias, since a statement may have the table in its own FROM.
        granted = aliased(BoardAccess)
        mine = and_(granted.board_id == board_id, granted.organization_member_id == self.member_id)
        return select(granted.id).where(mine, or_(*(getattr(granted, right) for right in rights))).exists()

    def readable_group(self, group_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Return whether the group with the id in this column may be read: all boards may, or one of its boards."""
        if self.reads_all:
            return true()
        board = aliased(Board)
        return select(board.id).where(board.board_group_id == group_id, self.readable(board.id)).exists()

    def writable_group(self, group_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Return whether the memory of that group may be written: all boards may, or one of its boards."""
        if self.writes_all:
            return true()
        board = aliased(Board)
        return select(board.id).where(board.board_group_id == group_id, self.writable(board.id)).exists()


class RowAccess(NamedTuple):
    """The access of the member or agent in a row of a statement; whether it is all boards is a column of the row."""

    scope: AccessScope
    reads_all: ColumnElement[bool] = false()
    writes_all: ColumnElement[bool] = false()


_WRITES_ALL = or_(
    OrganizationMember.role == Role.OWNER, OrganizationMember.role == Role.ADMIN, OrganizationMember.all_boards_write
)
MEMBER_ROW_ACCESS = RowAccess(
    AccessScope(cast("UUID", OrganizationMember.organization_id), member_id=cast("UUID", OrganizationMember.id)),
    reads_all=or_(_WRITES_ALL, OrganizationMember.all_boards_read),
    writes_all=_WRITES_ALL,
)
AGENT_ROW_ACCESS = RowAccess(AccessScope(cast("UUID", Agent.organization_id), board_id=cast("UUID", Agent.board_id)))
