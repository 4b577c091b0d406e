"""Webhooks carry their organization.

Revision: 0dd6c059f534
Revises: d7bf73d9c869
Created: 2026-11-25 02:11:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0dd6c059f534"
down_revision = "d7bf73d9c869"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("board_webhooks", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("board_webhooks", "organization_id")
