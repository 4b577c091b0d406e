"""Opening a board: the one way from an id in a path to a board that the caller may use."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequestError, FieldProblem, ForbiddenError, NotFoundError
from app.models import Board, OrganizationMember
from app.repositories.boards import BoardRepository


class UnknownReferenceError(BadRequestError):
    """A field names something that does not exist in this organization, or does not exist yet at all."""

    code = "unknown_reference"

    def __init__(self, field: str, what: str) -> None:
        super().__init__(errors=(FieldProblem(f"/{field}", f"There is no such {what}."),))


async def open_board(
    session: AsyncSession, member: OrganizationMember, board_id: UUID, *, write: bool = False
) -> Board:
    """Raises NotFoundError unless the member may read the board, and ForbiddenError unless he may write it."""
    found = await BoardRepository(session=session).find(member, board_id)
    if found is None:
        raise NotFoundError
    if write and not found.may_write:
        raise ForbiddenError
    return found.board


def refuse_board_group(board_group_id: object) -> None:
    """There are no board groups yet; null is what every board has."""
    if isinstance(board_group_id, UUID):
        raise UnknownReferenceError("board_group_id", "board group")
