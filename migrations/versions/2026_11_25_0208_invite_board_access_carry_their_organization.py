"""Grants of invites carry their organization.

Revision: 4c1d1f99f50d
Revises: f99ec3c79558
Created: 2026-11-25 02:08:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "4c1d1f99f50d"
down_revision = "f99ec3c79558"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("invite_board_access", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("invite_board_access", "organization_id")
