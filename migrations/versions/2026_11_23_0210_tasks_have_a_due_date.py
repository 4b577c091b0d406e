"""Tasks have a due date.

Revision: 5b2e8a4c9d17
Revises: 1d9c6f0b7a31
Created: 2026-11-23 02:10:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "5b2e8a4c9d17"
down_revision = "1d9c6f0b7a31"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # Nullable and without a default: a change of the catalogue only, whatever the size of the table.
    op.add_column("tasks", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "due_at")
