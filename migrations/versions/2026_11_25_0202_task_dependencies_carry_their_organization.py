"""Dependencies carry their organization.

Revision: 8f8d73e1d036
Revises: 50a7026f4c84
Created: 2026-11-25 02:02:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "8f8d73e1d036"
down_revision = "50a7026f4c84"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("task_dependencies", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("task_dependencies", "organization_id")
