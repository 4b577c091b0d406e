"""Webhook payloads from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="board_webhook_payloads",
    after="9c86defda9aa",
    where="board_webhook_payloads.organization_id IS NULL",
    update="UPDATE board_webhook_payloads SET organization_id = boards.organization_id"
    " FROM board_webhooks JOIN boards ON boards.id = board_webhooks.board_id"
    " WHERE board_webhooks.id = board_webhook_payloads.webhook_id AND {batch}",
)
