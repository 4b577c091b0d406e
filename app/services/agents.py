"""Agents: their tokens, who leads a board, how many it takes, and whether one is still heard of."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from app.core.errors import ConflictError, ForbiddenError, NotFoundError
from app.core.pagination import Slice, Window
from app.core.security import new_agent_token, token_hash
from app.models import Agent, AgentStatus
from app.repositories.agents import AgentRepository
from app.repositories.boards import BoardRepository
from app.repositories.organizations import OrganizationRepository
from app.services.base import Service
from app.services.board_groups import BoardGroupService
from app.services.boards import BoardService, UnknownBoardError
from app.services.callers import LeadOnlyError

SILENT_AFTER = timedelta(minutes=10)


class MaxAgentsError(ConflictError):
    code = "max_agents"

    def __init__(self, most: int) -> None:
        super().__init__(f"The board takes {most} agent(s), and has them.", extra={"max_agents": most})


class Registered(NamedTuple):
    """An agent; `token` is None where the agent was there before."""

    agent: Agent
    token: str | None


class PaceSet(NamedTuple):
    """The agents whose pace was set, and those of boards that the caller may only read."""

    updated: list[UUID]
    failed: list[UUID]


def status_of(agent: Agent) -> str:
    """Return what the agent says of itself, or that it is offline where nothing was heard of it for `SILENT_AFTER`."""
    if agent.last_seen_at is None:
        return agent.status
    return AgentStatus.OFFLINE if datetime.now(UTC) - agent.last_seen_at > SILENT_AFTER else agent.status


class AgentService(Service):
    """The agents that the caller may see."""

    async def page(self, board_id: UUID | None, window: Window) -> Slice:
        """Return agents, newest first; with a board those of that board."""
        return await self._agents.page(self._caller.access, board_id, window)

    async def get(self, agent_id: UUID) -> Agent:
        """Return an agent. Raises NotFoundError."""
        return await self._agents.get_visible(self._caller.access, agent_id)

    async def get_own(self) -> Agent:
        """Return the agent that calls."""
        me = self._caller.agent
        assert me is not None, "the agents' part of the API lets nobody else in"
        return await self._agents.get(me.id)

    async def get_by_ids(self, ids: Sequence[UUID | None]) -> dict[UUID | None, Agent]:
        """Return those of these agents that are there, without regard to who may see them."""
        return await self._agents.get_by_ids(ids)

    async def create(self, fields: dict[str, Any]) -> Registered:
        """Register an agent. Raises UnknownReferenceError, ForbiddenError, LeadOnlyError and MaxAgentsError."""
        access, token = self._caller.access, new_agent_token()
        agent = Agent(
            **{**fields, "board_id": None}, organization_id=access.organization_id, token_hash=token_hash(token)
        )
        await self._move(agent, fields["board_id"] or access.board_id)
        await self._agents.add(agent)
        await self._record("created", agent, agent.name)
        return Registered(agent, token)

    async def update(self, agent_id: UUID, changes: dict[str, Any]) -> Agent:
        """Change an agent. Raises as `create`, and NotFoundError."""
        agent = await self._get_to_change(agent_id)
        if "board_id" in changes and changes["board_id"] != agent.board_id:
            await self._move(agent, changes["board_id"])
        await self._agents.lock(id=agent.id)
        for name, value in changes.items():
            if name != "board_id":
                setattr(agent, name, value)
        await self._record("updated", agent, ", ".join(changes))
        return agent

    async def delete(self, agent_id: UUID, board_id: UUID | None = None) -> None:
        """Delete an agent, whose token is worth nothing from then on; with a board only if it is on that.

        Raises NotFoundError, ForbiddenError and LeadOnlyError.
        """
        agent = await self._get_to_change(agent_id, board_id)
        await self._record("deleted", agent, agent.name)
        await self._leave(agent)
        await self._agents.delete(agent.id)

    async def renew_token(self, agent_id: UUID) -> Registered:
        """Give an agent another token; the former one is worth nothing from then on. Raises as `delete`."""
        agent = await self._get_to_change(agent_id)
        token = new_agent_token()
        agent.token_hash = token_hash(token)
        await self._record("token_renewed", agent, agent.name)
        return Registered(agent, token)

    async def heartbeat_own(self) -> Agent:
        """Record that the agent that calls is there."""
        return await self._heartbeat(await self.get_own(), None)

    async def heartbeat(self, agent_id: UUID, status: str | None) -> Agent:
        """Record that an agent is there. Raises as `delete`."""
        return await self._heartbeat(await self._get_to_change(agent_id), status)

    async def heartbeat_by_name(self, name: str, board_id: UUID | None, status: str | None) -> Registered:
        """Record that the board's agent of this name is there; create it where there is none. Raises as `create`."""
        access = self._caller.access
        board_id = board_id or access.board_id
        agent, token = await self._agents.get_by_name_or_none(access, name, board_id), None
        if agent is None:
            # And again, since another first heartbeat by this name may be under way.
            await OrganizationRepository(session=self._session).lock(id=access.organization_id)
            agent = await self._agents.get_by_name_or_none(access, name, board_id)
        if agent is None:
            agent, token = await self.create({"name": name, "board_id": board_id})
        else:
            await self._require_to_change(agent)
        return Registered(await self._heartbeat(agent, status), token)

    async def set_pace_of_group(self, group_id: UUID, every: str, *, with_leads: bool) -> PaceSet:
        """Set how often the agents on a group's boards report. Raises NotFoundError, ForbiddenError and LeadOnlyError.

        An agent that calls must lead its board, and sets the pace on that board alone.
        """
        group = await BoardGroupService(self._session, self._caller).get_writable(group_id)
        if self._caller.agent and not self._caller.agent.is_board_lead:
            raise LeadOnlyError
        log = self._activity_of(group.organization_id)
        await log.record("board_group.heartbeat_changed", every, board_group_id=group.id)
        done = PaceSet([], [])
        for agent, is_writable in await self._agents.lock_of_group(
            self._caller.access, group.id, with_leads=with_leads
        ):
            (done.updated if is_writable else done.failed).append(agent.id)
            if is_writable:
                agent.heartbeat_config = {**(agent.heartbeat_config or {}), "every": every}
                await self._record("updated", agent, "heartbeat_config")
        return done

    async def nudge(self, board_id: UUID, agent_id: UUID, message: str) -> None:
        """Send a message to an agent of the board, by the stream of agents. Raises NotFoundError and ForbiddenError."""
        await BoardService(self._session, self._caller).get_writable(board_id)
        await self._record("nudged", await self._get(agent_id, board_id), message)

    @cached_property
    def _agents(self) -> AgentRepository:
        return AgentRepository(session=self._session)

    async def _heartbeat(self, agent: Agent, status: str | None) -> Agent:
        """Store the heartbeat; it is an event only where the status changes."""
        await self._agents.lock(id=agent.id)
        before = status_of(agent)
        agent.last_seen_at = datetime.now(UTC)
        agent.status = status or AgentStatus.ONLINE
        await self._agents.update(agent)
        if agent.status != before:
            await self._record("status_changed", agent, f"{before} → {agent.status}")
        return agent

    async def _get(self, agent_id: UUID, board_id: UUID | None) -> Agent:
        """Return an agent. Raises NotFoundError, also where it is not on the board that is named."""
        agent = await self.get(agent_id)
        if board_id is not None and agent.board_id != board_id:
            raise NotFoundError
        return agent

    async def _get_to_change(self, agent_id: UUID, board_id: UUID | None = None) -> Agent:
        agent = await self._get(agent_id, board_id)
        await self._require_to_change(agent)
        return agent

    async def _require_to_change(self, agent: Agent) -> None:
        if self._caller.agent and not self._caller.agent.is_board_lead and self._caller.agent.id != agent.id:
            raise LeadOnlyError
        if agent.board_id is not None:
            await BoardService(self._session, self._caller).get_writable(agent.board_id)
        elif not self._caller.access.writes_all:
            raise ForbiddenError

    async def _move(self, agent: Agent, board_id: UUID | None) -> None:
        """Move the agent onto this board, or off every one."""
        if self._caller.agent and not self._caller.agent.is_board_lead:
            raise LeadOnlyError
        if agent.board_id is not None:
            await self._record("left", agent, agent.name)
        await self._leave(agent)
        if board_id is None:
            if not self._caller.access.writes_all:
                raise ForbiddenError
            return
        try:
            await BoardService(self._session, self._caller).get_writable(board_id)
        except NotFoundError:
            raise UnknownBoardError from None
        board = await BoardRepository(session=self._session).lock(id=board_id)
        if await self._agents.count(board_id=board.id) >= board.max_agents:
            raise MaxAgentsError(board.max_agents)
        agent.board_id = board.id
        agent.is_board_lead = not await self._agents.exists(board_id=board.id, is_board_lead=True)

    async def _leave(self, agent: Agent) -> None:
        """Take the agent off its board; if it was the lead, the agent that has been there the longest leads it."""
        if (board_id := agent.board_id) is None:
            return
        await BoardRepository(session=self._session).lock(id=board_id)
        # While this request waited, another may have made it the lead, or moved it.
        await self._agents.lock(id=agent.id)
        if agent.board_id != board_id:
            raise ConflictError("The agent has just been moved to another board.")
        agent.board_id = None
        was_lead, agent.is_board_lead = agent.is_board_lead, False
        # The search stores this first: a board has one lead.
        if was_lead and (heir := await self._agents.get_oldest_of_board_or_none(board_id)):
            heir.is_board_lead = True

    async def _record(self, verb: str, agent: Agent, message: str) -> None:
        log = self._activity_of(agent.organization_id)
        await log.record(f"agent.{verb}", message, board_id=agent.board_id, subject_id=agent.id)
