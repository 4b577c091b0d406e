"""Agents."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, select

from app.core.pagination import Slice, Window
from app.db.request.prepared import PreparedStatement, fetch_rows
from app.models import Agent, Board
from app.repositories.access import AccessScope
from app.repositories.base import REREAD, Repository
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("agents", Agent, sortable=("updated_at", "name", "last_seen_at"))
_ON_BOARD = PreparedStatement(
    select(Agent.id).where(Agent.id == bindparam("agent_id"), Agent.board_id == bindparam("board_id"))
)


class AgentRepository(Repository[Agent]):
    model_type = Agent

    async def page(self, access: AccessScope, board_id: UUID | None, window: Window) -> Slice:
        """Return the agents that the caller may see, newest first; with a board those of that board."""
        statement = select(Agent).where(*_visible(access))
        if board_id is not None:
            statement = statement.where(Agent.board_id == board_id)
        return await read_slice(self.session, statement, _ORDER, window)

    async def get_visible(self, access: AccessScope, agent_id: UUID) -> Agent:
        """Return the agent. Raises NotFoundError, also where the caller may not see it."""
        return await self.get_one(*_visible(access), id=agent_id)

    async def get_by_name_or_none(self, access: AccessScope, name: str, board_id: UUID | None) -> Agent | None:
        """Return the oldest agent of this name on the board, or on none, that the caller may see."""
        return await self._oldest(*_visible(access), Agent.name == name, Agent.board_id.is_not_distinct_from(board_id))

    async def get_oldest_of_board_or_none(self, board_id: UUID) -> Agent | None:
        return await self._oldest(Agent.board_id == board_id)

    async def is_on_board(self, agent_id: UUID, board_id: UUID) -> bool:
        """Return what `exists` would, by a prepared statement: changes of tasks ask for their assignee."""
        return bool(await fetch_rows(self.session, _ON_BOARD, agent_id=agent_id, board_id=board_id))

    async def list_of_board(self, board_id: UUID) -> Sequence[Agent]:
        return await self.get_many(board_id=board_id)

    async def lock_of_group(
        self, access: AccessScope, group_id: UUID, *, with_leads: bool
    ) -> Sequence[tuple[Agent, bool]]:
        """Return the agents on the group's boards that the caller may read, and whether they may write that board.

        Nobody else changes these agents until the transaction ends.
        """
        statement = (
            select(Agent, access.writable(Board.id))
            .join(Board, Board.id == Agent.board_id)
            .where(Board.board_group_id == group_id, access.readable(Board.id))
            .order_by(Agent.id)
            .with_for_update(of=Agent, key_share=True)
        )
        if not with_leads:
            statement = statement.where(~Agent.is_board_lead)
        return [(row[0], row[1]) for row in await self.session.execute(statement.execution_options(**REREAD))]

    async def _oldest(self, *conditions: ColumnElement[bool]) -> Agent | None:
        statement = select(Agent).where(*conditions).order_by(Agent.created_at, Agent.id).limit(1)
        return (await self.session.scalars(statement)).one_or_none()


def _visible(access: AccessScope) -> tuple[ColumnElement[bool], ...]:
    return Agent.organization_id == access.organization_id, access.shown(Agent.board_id)
