"""Which boards of an organization a caller may see and change: the one place that says so for every table."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.models import Agent, Board, BoardAccess, OrganizationMember, Role


class Reach(NamedTuple):
    """A member's, whose grants count unless he reaches all boards, or that of an agent, which has its own board."""

    organization_id: UUID
    member_id: UUID | None = None
    board_id: UUID | None = None
    reads_all: bool = False
    writes_all: bool = False

    @classmethod
    def of_member(cls, member: OrganizationMember) -> "Reach":
        writes_all = member.role in {Role.OWNER, Role.ADMIN} or member.all_boards_write
        return cls(
            member.organization_id,
            member_id=member.id,
            reads_all=writes_all or member.all_boards_read,
            writes_all=writes_all,
        )

    @classmethod
    def of_agent(cls, agent: Agent) -> "Reach":
        return cls(agent.organization_id, board_id=agent.board_id)

    def readable(self, board_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Whether the board with the id in this column, which is one of the organization's, may be read."""
        if self.reads_all:
            return true()
        if self.member_id is None:
            return board_id == self.board_id
        # An alias, since a statement may have the table in its own FROM.
        granted = aliased(BoardAccess)
        mine = and_(granted.board_id == board_id, granted.organization_member_id == self.member_id)
        return select(granted.id).where(mine, or_(granted.can_read, granted.can_write)).exists()

    def shown(self, board_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """As `readable`; members are also shown what is on no board."""
        readable = self.readable(board_id)
        return readable if self.member_id is None else or_(readable, board_id.is_(None))

    def writable(self, board_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Whether that board may be changed."""
        if self.writes_all:
            return true()
        if self.member_id is None:
            return board_id == self.board_id
        granted = aliased(BoardAccess)
        mine = and_(granted.board_id == board_id, granted.organization_member_id == self.member_id)
        return select(granted.id).where(mine, granted.can_write).exists()

    def readable_group(self, group_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Whether the group with the id in this column may be read: all boards may, or one of its boards."""
        if self.reads_all:
            return true()
        board = aliased(Board)
        return select(board.id).where(board.board_group_id == group_id, self.readable(board.id)).exists()

    def writable_group(self, group_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Whether that group's memory may be written: all boards may, or one of its boards."""
        if self.writes_all:
            return true()
        board = aliased(Board)
        return select(board.id).where(board.board_group_id == group_id, self.writable(board.id)).exists()
