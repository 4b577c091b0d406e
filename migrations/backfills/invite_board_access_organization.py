"""Grants of invites from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="invite_board_access",
    after="4c1d1f99f50d",
    where="invite_board_access.organization_id IS NULL",
    update="UPDATE invite_board_access SET organization_id = organization_invites.organization_id"
    " FROM organization_invites"
    " WHERE organization_invites.id = invite_board_access.organization_invite_id AND {batch}",
)
