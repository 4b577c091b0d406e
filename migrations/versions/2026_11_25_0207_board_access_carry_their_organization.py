"""Grants on boards carry their organization.

Revision: f99ec3c79558
Revises: 7ad3ab3e1d35
Created: 2026-11-25 02:07:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "f99ec3c79558"
down_revision = "7ad3ab3e1d35"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("board_access", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("board_access", "organization_id")
