"""Comments carry their organization.

Revision: 50a7026f4c84
Revises: ea8fd837115f
Created: 2026-11-25 02:01:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "50a7026f4c84"
down_revision = "ea8fd837115f"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("task_comments", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("task_comments", "organization_id")
