"""Board memory carries its organization.

Revision: 9fddf1217709
Revises: 4c1d1f99f50d
Created: 2026-11-25 02:09:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "9fddf1217709"
down_revision = "4c1d1f99f50d"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("board_memory", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("board_memory", "organization_id")
