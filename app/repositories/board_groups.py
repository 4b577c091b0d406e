"""Board groups, as far as the caller may read or write their boards."""

from typing import ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import select

from app.core.pagination import Slice, Window
from app.models import BoardGroup
from app.repositories.access import AccessScope
from app.repositories.base import ConstraintErrors, Repository
from app.repositories.boards import SlugTakenError
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("board groups", BoardGroup, sortable=("updated_at", "name"))


class ReadableGroup(NamedTuple):
    """A group that the caller may read; `may_write` is about its memory."""

    group: BoardGroup
    may_write: bool


class BoardGroupRepository(Repository[BoardGroup]):
    model_type = BoardGroup
    constraint_errors: ClassVar[ConstraintErrors] = {"uq_board_groups_organization_id_slug": SlugTakenError}

    async def page(self, access: AccessScope, window: Window) -> Slice:
        """Return the groups that the caller may read, newest first."""
        statement = select(BoardGroup).where(
            BoardGroup.organization_id == access.organization_id, access.readable_group(BoardGroup.id)
        )
        return await read_slice(self.session, statement, _ORDER, window)

    async def get_readable_or_none(self, access: AccessScope, group_id: UUID) -> ReadableGroup | None:
        """Return the group, in one statement; None also where the caller may not read it."""
        statement = select(BoardGroup, access.writable_group(BoardGroup.id)).where(
            BoardGroup.id == group_id,
            BoardGroup.organization_id == access.organization_id,
            access.readable_group(BoardGroup.id),
        )
        row = (await self.session.execute(statement)).one_or_none()
        return ReadableGroup(row[0], row[1]) if row else None
