"""Custom field values carry their organization.

Revision: 85690977e471
Revises: f11f3eb459c8
Created: 2026-11-25 02:04:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "85690977e471"
down_revision = "f11f3eb459c8"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("custom_field_values", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("custom_field_values", "organization_id")
