"""Agents: their tokens, who leads a board, how many it takes, and whether one is still heard of."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError, ForbiddenError, NotFoundError
from app.core.security import new_agent_token, token_hash
from app.models import Agent, AgentStatus
from app.repositories.agents import AgentRepository
from app.repositories.base import hold_row
from app.repositories.boards import BoardRepository
from app.repositories.organizations import OrganizationRepository
from app.services.activity import ActivityLog
from app.services.boards import UnknownBoardError, open_board
from app.services.identity import Caller, LeadOnlyError

SILENT_AFTER = timedelta(minutes=10)


class MaxAgentsError(ConflictError):
    code = "max_agents"

    def __init__(self, most: int) -> None:
        super().__init__(f"The board takes {most} agent(s), and has them.", extra={"max_agents": most})


class Registered(NamedTuple):
    """`token` is None where the agent was there before."""

    agent: Agent
    token: str | None


def status_of(agent: Agent) -> str:
    """What the agent says of itself, unless nothing has been heard of it, or not for `SILENT_AFTER`."""
    if agent.last_seen_at is None:
        return agent.status
    return AgentStatus.OFFLINE if datetime.now(UTC) - agent.last_seen_at > SILENT_AFTER else agent.status


class Agents:
    """The agents that the caller may see."""

    def __init__(self, session: AsyncSession, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._access = caller.access
        self._agents = AgentRepository(session=session)
        self._activity = ActivityLog(session, caller, self._access.organization_id)

    async def find(self, agent_id: UUID, board_id: UUID | None = None) -> Agent:
        """Raises NotFoundError, also where it is not on the board that is named."""
        agent = await self._agents.find(self._access, agent_id)
        if agent is None or (board_id is not None and agent.board_id != board_id):
            raise NotFoundError
        return agent

    async def register(self, fields: dict[str, Any]) -> Registered:
        """Raises UnknownReferenceError, ForbiddenError, LeadOnlyError and MaxAgentsError."""
        board_id = fields["board_id"] or self._access.board_id
        token = new_agent_token()
        agent = Agent(
            **{**fields, "board_id": None}, organization_id=self._access.organization_id, token_hash=token_hash(token)
        )
        await self._move(agent, board_id)
        await self._agents.store(agent)
        await self._note("created", agent, agent.name)
        return Registered(agent, token)

    async def update(self, agent_id: UUID, changes: dict[str, Any]) -> Agent:
        """Raises as `register`, and NotFoundError."""
        agent = await self._find_to_change(agent_id)
        if "board_id" in changes and changes["board_id"] != agent.board_id:
            await self._move(agent, changes["board_id"])
        for name, value in changes.items():
            if name != "board_id":
                setattr(agent, name, value)
        await self._agents.store(agent)
        await self._note("updated", agent, ", ".join(changes))
        return agent

    async def remove(self, agent_id: UUID, board_id: UUID | None = None) -> None:
        """Its token is worth nothing from then on. Raises NotFoundError, ForbiddenError and LeadOnlyError."""
        agent = await self._find_to_change(agent_id, board_id)
        await self._note("deleted", agent, agent.name)
        await self._leave(agent)
        await self._agents.remove(agent.id)

    async def renew_token(self, agent_id: UUID) -> Registered:
        """The former token is worth nothing from then on. Raises as `remove`."""
        agent = await self._find_to_change(agent_id)
        token = new_agent_token()
        agent.token_hash = token_hash(token)
        await self._agents.store(agent)
        await self._note("token_renewed", agent, agent.name)
        return Registered(agent, token)

    async def oneself(self) -> Agent:
        """The agent that calls. Raises AgentsOnlyError."""
        return await self._agents.get(self._caller.acting_agent.id)

    async def heartbeat(self, agent: Agent, status: str | None) -> Agent:
        """Notes that the agent is there; an event only where that is news."""
        before = status_of(agent)
        agent.last_seen_at = datetime.now(UTC)
        agent.status = status or AgentStatus.ONLINE
        await self._agents.store(agent)
        if agent.status != before:
            await self._note("status_changed", agent, f"{before} → {agent.status}")
        return agent

    async def heartbeat_of(self, agent_id: UUID, status: str | None) -> Agent:
        """Raises as `remove`."""
        return await self.heartbeat(await self._find_to_change(agent_id), status)

    async def heartbeat_named(self, name: str, board_id: UUID | None, status: str | None) -> Registered:
        """The agent of this name on the board is made where there is none. Raises as `register`."""
        board_id = board_id or self._access.board_id
        agent, token = await self._agents.find_named(self._access, name, board_id), None
        if agent is None:
            # And again, since another first heartbeat by this name may be under way.
            await OrganizationRepository(session=self._session).lock(self._access.organization_id)
            agent = await self._agents.find_named(self._access, name, board_id)
        if agent is None:
            agent, token = await self.register({"name": name, "board_id": board_id})
        else:
            await self._require_to_change(agent)
        return Registered(await self.heartbeat(agent, status), token)

    async def nudge(self, board_id: UUID, agent_id: UUID, message: str) -> None:
        """Raises NotFoundError and ForbiddenError."""
        await open_board(self._session, self._caller, board_id, write=True)
        await self._note("nudged", await self.find(agent_id, board_id), message)

    async def _find_to_change(self, agent_id: UUID, board_id: UUID | None = None) -> Agent:
        agent = await self.find(agent_id, board_id)
        await self._require_to_change(agent)
        return agent

    async def _require_to_change(self, agent: Agent) -> None:
        if self._caller.agent and not self._caller.agent.is_board_lead and self._caller.agent.id != agent.id:
            raise LeadOnlyError
        if agent.board_id is not None:
            await open_board(self._session, self._caller, agent.board_id, write=True)
        elif not self._access.writes_all:
            raise ForbiddenError

    async def _move(self, agent: Agent, board_id: UUID | None) -> None:
        """Onto this board, or off every one."""
        if self._caller.agent and not self._caller.agent.is_board_lead:
            raise LeadOnlyError
        if agent.board_id is not None:
            await self._note("left", agent, agent.name)
        await self._leave(agent)
        if board_id is None:
            if not self._access.writes_all:
                raise ForbiddenError
            return
        try:
            board = await open_board(self._session, self._caller, board_id, write=True)
        except NotFoundError:
            raise UnknownBoardError from None
        board = await BoardRepository(session=self._session).lock(board.id)
        if await self._agents.on_board(board.id) >= board.max_agents:
            raise MaxAgentsError(board.max_agents)
        agent.board_id = board.id
        agent.is_board_lead = not await self._agents.has_lead(board.id)

    async def _leave(self, agent: Agent) -> None:
        """Whoever has been on the board the longest leads it after its lead."""
        if (board_id := agent.board_id) is None:
            return
        await BoardRepository(session=self._session).lock(board_id)
        # While this request waited, another may have made it the lead, or moved it.
        await hold_row(self._session, Agent, agent.id)
        if agent.board_id != board_id:
            raise ConflictError("The agent has just been moved to another board.")
        agent.board_id = None
        was_lead, agent.is_board_lead = agent.is_board_lead, False
        await self._agents.store(agent)
        if was_lead and (heir := await self._agents.oldest_on_board(board_id)):
            heir.is_board_lead = True
            await self._agents.store(heir)

    async def _note(self, verb: str, agent: Agent, message: str) -> None:
        await self._activity.record(f"agent.{verb}", message, board_id=agent.board_id, subject_id=agent.id)
