"""Grants on boards from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="board_access",
    after="f99ec3c79558",
    where="board_access.organization_id IS NULL",
    update="UPDATE board_access SET organization_id = organization_members.organization_id"
    " FROM organization_members WHERE organization_members.id = board_access.organization_member_id AND {batch}",
)
