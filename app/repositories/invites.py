"""Invites, with the grants that whoever accepts one gets."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from app.core.paging import Slice, Window
from app.models import InviteBoardAccess, OrganizationInvite
from app.repositories.base import Repository
from app.repositories.keyset import read_slice
from app.repositories.members import Grant
from app.repositories.sorting import Ordering

_ORDER = Ordering("invites", OrganizationInvite)


class InviteRepository(Repository[OrganizationInvite]):
    model_type = OrganizationInvite

    async def store(self, invite: OrganizationInvite, grants: Iterable[Grant] = ()) -> OrganizationInvite:
        """Adds these grants to those that it has."""
        self.session.add(invite)
        await self.session.flush()
        of_it = {"organization_id": invite.organization_id, "organization_invite_id": invite.id}
        self.session.add_all(InviteBoardAccess(**of_it, **grant._asdict()) for grant in grants)
        await self.session.flush()
        return invite

    async def page(self, organization_id: UUID, window: Window) -> Slice:
        """All of them, newest first: used and expired ones too."""
        statement = select(OrganizationInvite).where(OrganizationInvite.organization_id == organization_id)
        return await read_slice(self.session, statement, _ORDER, window)

    async def find(self, organization_id: UUID, invite_id: UUID) -> OrganizationInvite | None:
        """As it is now, also where the row is known already."""
        statement = (
            select(OrganizationInvite)
            .where(OrganizationInvite.organization_id == organization_id, OrganizationInvite.id == invite_id)
            .execution_options(populate_existing=True)
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def find_anywhere(self, invite_id: UUID) -> OrganizationInvite | None:
        """Of any organization, for whoever has its token."""
        return (
            await self.session.scalars(select(OrganizationInvite).where(OrganizationInvite.id == invite_id))
        ).one_or_none()

    async def grants(self, invite_id: UUID) -> list[Grant]:
        """Without those on boards that are gone by now."""
        statement = (
            select(InviteBoardAccess.board_id, InviteBoardAccess.can_read, InviteBoardAccess.can_write)
            .where(InviteBoardAccess.organization_invite_id == invite_id)
            .order_by(InviteBoardAccess.id)
        )
        return [Grant(*row) for row in await self.session.execute(statement)]
