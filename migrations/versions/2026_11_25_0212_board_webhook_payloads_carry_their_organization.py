"""Webhook payloads carry their organization.

Revision: 9c86defda9aa
Revises: 0dd6c059f534
Created: 2026-11-25 02:12:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "9c86defda9aa"
down_revision = "0dd6c059f534"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("board_webhook_payloads", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("board_webhook_payloads", "organization_id")
