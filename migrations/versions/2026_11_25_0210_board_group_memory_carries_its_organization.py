"""Board group memory carries its organization.

Revision: d7bf73d9c869
Revises: 9fddf1217709
Created: 2026-11-25 02:10:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "d7bf73d9c869"
down_revision = "9fddf1217709"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("board_group_memory", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("board_group_memory", "organization_id")
