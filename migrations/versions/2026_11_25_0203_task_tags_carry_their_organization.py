"""Tags of tasks carry their organization.

Revision: f11f3eb459c8
Revises: 8f8d73e1d036
Created: 2026-11-25 02:03:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "f11f3eb459c8"
down_revision = "8f8d73e1d036"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("task_tags", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("task_tags", "organization_id")
