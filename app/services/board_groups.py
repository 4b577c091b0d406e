"""Board groups: found by their own id or by that of a board in them."""

from typing import Any
from uuid import UUID

from app.core.errors import ForbiddenError, NotFoundError
from app.core.pagination import Slice, Window
from app.models import BoardGroup
from app.repositories.board_groups import BoardGroupRepository, ReadableGroup
from app.services.base import Service
from app.services.boards import BoardService


class BoardGroupService(Service):
    """The groups with a board that the caller may read; where they may read all boards, all groups."""

    async def page(self, window: Window) -> Slice:
        """Return groups, newest first."""
        return await BoardGroupRepository(session=self._session).page(self._caller.access, window)

    async def get(self, group_id: UUID) -> BoardGroup:
        """Return a group. Raises NotFoundError unless the caller may read it."""
        return (await self._require_readable(group_id)).group

    async def get_writable(self, group_id: UUID) -> BoardGroup:
        """Return a group whose memory the caller may write. Raises NotFoundError and ForbiddenError."""
        found = await self._require_readable(group_id)
        if not found.may_write:
            raise ForbiddenError
        return found.group

    async def get_of_board(self, board_id: UUID) -> BoardGroup | None:
        """Return the board's group, if it is in one. Raises as `BoardService.get`."""
        return await self._group_of((await BoardService(self._session, self._caller).get(board_id)).board_group_id)

    async def get_of_writable_board(self, board_id: UUID) -> BoardGroup | None:
        """Return the board's group, if it is in one. Raises as `BoardService.get_writable`."""
        board = await BoardService(self._session, self._caller).get_writable(board_id)
        return await self._group_of(board.board_group_id)

    async def create(self, fields: dict[str, Any]) -> BoardGroup:
        """Create a group. Raises ForbiddenError, PeopleOnlyError and SlugTakenError."""
        self._require_all_boards()
        group = BoardGroup(organization_id=self._caller.access.organization_id, **fields)
        await BoardGroupRepository(session=self._session).add(group)
        await self._record("created", group, group.name)
        return group

    async def update(self, group_id: UUID, changes: dict[str, Any]) -> BoardGroup:
        """Change a group. Raises NotFoundError, and as `create`."""
        group = await self._get_to_change(group_id)
        for name, value in changes.items():
            setattr(group, name, value)
        await BoardGroupRepository(session=self._session).update(group)
        await self._record("updated", group, ", ".join(changes))
        return group

    async def delete(self, group_id: UUID) -> None:
        """Delete a group; its boards stay. Raises NotFoundError, ForbiddenError and PeopleOnlyError."""
        group = await self._get_to_change(group_id)
        await BoardGroupRepository(session=self._session).delete(group.id)
        await self._record("deleted", group, group.name)

    async def _require_readable(self, group_id: UUID) -> ReadableGroup:
        repository = BoardGroupRepository(session=self._session)
        found = await repository.get_readable_or_none(self._caller.access, group_id)
        if found is None:
            raise NotFoundError
        return found

    async def _group_of(self, group_id: UUID | None) -> BoardGroup | None:
        if group_id is None:
            return None
        repository = BoardGroupRepository(session=self._session)
        found = await repository.get_readable_or_none(self._caller.access, group_id)
        # None where another request has just deleted the group.
        return found.group if found else None

    async def _get_to_change(self, group_id: UUID) -> BoardGroup:
        await self._require_readable(group_id)
        self._require_all_boards()
        return await BoardGroupRepository(session=self._session).lock(id=group_id)

    def _require_all_boards(self) -> None:
        if not self._caller.member_access.writes_all:
            raise ForbiddenError(
                "Changing board groups takes an owner, an admin, or a member who may write all boards."
            )

    async def _record(self, verb: str, group: BoardGroup, message: str) -> None:
        log = self._activity_of(group.organization_id)
        await log.record(f"board_group.{verb}", message, board_group_id=group.id)
