"""Agents."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, func, select

from app.core.paging import Slice, Window
from app.models import Agent
from app.repositories.access import AccessScope
from app.repositories.base import Repository
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("agents", Agent, sortable=("updated_at", "name", "last_seen_at"))


class AgentRepository(Repository[Agent]):
    model_type = Agent

    async def store(self, agent: Agent) -> Agent:
        self.session.add(agent)
        await self.session.flush()
        return agent

    async def page(self, access: AccessScope, board_id: UUID | None, window: Window) -> Slice:
        """The agents that the caller may see, newest first; with a board those of that board."""
        statement = self._visible(access)
        if board_id is not None:
            statement = statement.where(Agent.board_id == board_id)
        return await read_slice(self.session, statement, _ORDER, window)

    async def find(self, access: AccessScope, agent_id: UUID) -> Agent | None:
        return (await self.session.scalars(self._visible(access).where(Agent.id == agent_id))).one_or_none()

    async def find_named(self, access: AccessScope, name: str, board_id: UUID | None) -> Agent | None:
        """The oldest agent of this name on the board, or on none."""
        statement = self._visible(access).where(Agent.name == name, Agent.board_id.is_not_distinct_from(board_id))
        return (await self.session.scalars(statement.order_by(Agent.created_at, Agent.id).limit(1))).one_or_none()

    async def of_board(self, board_id: UUID) -> Sequence[Agent]:
        return (await self.session.scalars(select(Agent).where(Agent.board_id == board_id).order_by(Agent.id))).all()

    async def on_board(self, board_id: UUID) -> int:
        return await self.session.scalar(select(func.count()).where(Agent.board_id == board_id)) or 0

    async def has_lead(self, board_id: UUID) -> bool:
        lead = select(Agent.id).where(Agent.board_id == board_id, Agent.is_board_lead)
        return bool(await self.session.scalar(select(lead.exists())))

    async def oldest_on_board(self, board_id: UUID) -> Agent | None:
        statement = select(Agent).where(Agent.board_id == board_id).order_by(Agent.created_at, Agent.id).limit(1)
        return (await self.session.scalars(statement)).one_or_none()

    async def is_on_board(self, agent_id: UUID, board_id: UUID) -> bool:
        statement = select(Agent.id).where(Agent.id == agent_id, Agent.board_id == board_id)
        return await self.session.scalar(statement) is not None

    def _visible(self, access: AccessScope) -> Select[Agent]:
        of_it = Agent.organization_id == access.organization_id
        return select(Agent).where(of_it, access.shown(Agent.board_id))
