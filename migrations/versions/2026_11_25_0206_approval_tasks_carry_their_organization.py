"""Tasks of approvals carry their organization.

Revision: 7ad3ab3e1d35
Revises: 2e7a658ef30d
Created: 2026-11-25 02:06:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "7ad3ab3e1d35"
down_revision = "2e7a658ef30d"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("approval_tasks", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("approval_tasks", "organization_id")
