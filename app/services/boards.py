"""Boards: the one way from an id in a path to a board that the caller may use."""

from typing import Any
from uuid import UUID

from app.core.errors import BadRequestError, FieldProblem, ForbiddenError, NotFoundError
from app.core.pagination import Slice, Window
from app.models import Board
from app.repositories.agents import AgentRepository
from app.repositories.board_groups import BoardGroupRepository
from app.repositories.boards import BoardRepository, ReadableBoard
from app.services.base import Service
from app.services.callers import PeopleOnlyError


class UnknownReferenceError(BadRequestError):
    """A field names something that does not exist in this organization, or does not exist yet at all."""

    code = "unknown_reference"

    def __init__(self, field: str, what: str) -> None:
        super().__init__(errors=(FieldProblem(f"/{field}", f"There is no such {what}."),))


class UnknownBoardError(UnknownReferenceError):
    """The board that a field names is not there, or not one that the caller may read."""

    implies_access = False

    def __init__(self) -> None:
        super().__init__("board_id", "board")


class BoardService(Service):
    """The boards that the caller may read."""

    async def page(self, board_group_id: UUID | None, search: str | None, window: Window) -> Slice:
        """Return boards, newest first: of a group, and found by `search`, where given."""
        repository = BoardRepository(session=self._session)
        return await repository.page(self._caller.access, board_group_id, search, window)

    async def get(self, board_id: UUID) -> Board:
        """Return a row of the board, to look at. Raises NotFoundError unless the caller may read it."""
        return (await self._require_readable(board_id)).board

    async def get_writable(self, board_id: UUID) -> Board:
        """Return a row of the board, to look at. Raises NotFoundError, and ForbiddenError where they may only read."""
        found = await self._require_readable(board_id)
        if not found.may_write:
            raise ForbiddenError
        return found.board

    async def exists(self, board_id: UUID) -> bool:
        """Return whether the board is there, without regard to who may read it."""
        return await BoardRepository(session=self._session).exists(id=board_id)

    async def require_agent(self, board: Board, field: str, agent_id: UUID | None) -> None:
        """Raise UnknownReferenceError where the field names an agent that is not on the board."""
        agents = AgentRepository(session=self._session)
        if agent_id is not None and not await agents.is_on_board(agent_id, board.id):
            raise UnknownReferenceError(field, "agent on this board")

    async def create(self, fields: dict[str, Any]) -> Board:
        """Create a board. Raises ForbiddenError, UnknownReferenceError and SlugTakenError."""
        access = self._caller.member_access
        if not access.writes_all:
            raise ForbiddenError("Creating boards takes an owner, an admin, or a member who may write all boards.")
        await self._check_group(fields["board_group_id"])
        board = Board(organization_id=access.organization_id, **fields)
        await BoardRepository(session=self._session).add(board)
        await self._record("created", board, board.name)
        return board

    async def update(self, board_id: UUID, changes: dict[str, Any]) -> Board:
        """Change a board. Raises as `get_writable`, PeopleOnlyError, UnknownReferenceError and SlugTakenError."""
        board = await self._get_to_change(board_id)
        await self._check_group(changes.get("board_group_id"))
        for name, value in changes.items():
            setattr(board, name, value)
        await BoardRepository(session=self._session).update(board)
        await self._record("updated", board, ", ".join(changes))
        return board

    async def delete(self, board_id: UUID) -> None:
        """Delete a board with all that it has. Raises as `get_writable`, and PeopleOnlyError."""
        board = await self._get_to_change(board_id)
        await BoardRepository(session=self._session).delete(board.id)
        await self._record("deleted", board, board.name)

    async def _require_readable(self, board_id: UUID) -> ReadableBoard:
        access, prefetched = self._caller.access, self._caller.prefetched_board
        # Within a transaction something may be locked, and what was found with the caller is older than that.
        if prefetched is not None and prefetched.board_id == board_id and not self._session.in_transaction():
            found = prefetched.found
        else:
            found = await BoardRepository(session=self._session).get_row_or_none(access, board_id)
        if found is None:
            raise NotFoundError
        return found

    async def _get_to_change(self, board_id: UUID) -> Board:
        await self.get_writable(board_id)
        if self._caller.agent:
            # It works on its board; what the board is and asks for is not its own to say.
            raise PeopleOnlyError
        return await BoardRepository(session=self._session).lock(id=board_id)

    async def _check_group(self, board_group_id: UUID | None) -> None:
        """Raise UnknownReferenceError, or ForbiddenError where the caller may only read the group.

        Who may use a board may use its group: a writer of one board must not get into another's group in this way.
        """
        if board_group_id is None:
            return
        groups = BoardGroupRepository(session=self._session)
        found = await groups.get_readable_or_none(self._caller.access, board_group_id)
        if found is None:
            raise UnknownReferenceError("board_group_id", "board group")
        if not found.may_write:
            raise ForbiddenError("Putting a board into a group takes writing one of the boards in it, or all boards.")

    async def _record(self, verb: str, board: Board, message: str) -> None:
        await self._activity_of(board.organization_id).record(f"board.{verb}", message, board_id=board.id)
