"""Tasks carry their organization.

Revision: ea8fd837115f
Revises: e60d8b1f3a97
Created: 2026-11-25 02:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "ea8fd837115f"
down_revision = "e60d8b1f3a97"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("tasks", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "organization_id")
