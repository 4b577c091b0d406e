"""Boards of custom fields carry their organization.

Revision: 2e7a658ef30d
Revises: 85690977e471
Created: 2026-11-25 02:05:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2e7a658ef30d"
down_revision = "85690977e471"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # The previous release leaves it out: those rows get theirs from the backfill.
    op.add_column("custom_field_boards", sa.Column("organization_id", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("custom_field_boards", "organization_id")
