"""Invites, with the grants that who accepts one gets."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from app.core.pagination import Slice, Window
from app.models import InviteBoardAccess, OrganizationInvite
from app.repositories.base import REREAD, Repository
from app.repositories.keyset import read_slice
from app.repositories.members import Grant
from app.repositories.sorting import Ordering

_ORDER = Ordering("invites", OrganizationInvite)


class InviteRepository(Repository[OrganizationInvite]):
    model_type = OrganizationInvite

    async def page(self, organization_id: UUID, window: Window) -> Slice:
        """Return all invites, newest first: used and expired ones too."""
        statement = select(OrganizationInvite).where(OrganizationInvite.organization_id == organization_id)
        return await read_slice(self.session, statement, _ORDER, window)

    async def get_current_or_none(self, organization_id: UUID, invite_id: UUID) -> OrganizationInvite | None:
        """Return the invite as it is now, also where the session has read it before."""
        return await self.get_one_or_none(organization_id=organization_id, id=invite_id, execution_options=REREAD)

    async def list_grants(self, invite_id: UUID) -> list[Grant]:
        """Return the grants of the invite, without those on boards that are gone by now."""
        statement = (
            select(InviteBoardAccess.board_id, InviteBoardAccess.can_read, InviteBoardAccess.can_write)
            .where(InviteBoardAccess.organization_invite_id == invite_id)
            .order_by(InviteBoardAccess.id)
        )
        return [Grant(*row) for row in await self.session.execute(statement)]

    def add_grants(self, invite: OrganizationInvite, grants: Iterable[Grant]) -> None:
        of_invite = {"organization_id": invite.organization_id, "organization_invite_id": invite.id}
        self.session.add_all(InviteBoardAccess(**of_invite, **grant._asdict()) for grant in grants)
