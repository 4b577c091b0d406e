"""Webhooks from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="board_webhooks",
    after="0dd6c059f534",
    where="board_webhooks.organization_id IS NULL",
    update="UPDATE board_webhooks SET organization_id = boards.organization_id"
    " FROM boards WHERE boards.id = board_webhooks.board_id AND {batch}",
)
