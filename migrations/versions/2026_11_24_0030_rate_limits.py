"""Rate limits.

Revision: 527632989ab2
Revises: e2a6a3710444
Created: 2026-11-24 00:30:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "527632989ab2"
down_revision = "e2a6a3710444"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limits")),
    )
    op.create_index(op.f("ix_rate_limits_began_at"), "rate_limits", ["began_at"])


def downgrade() -> None:
    op.drop_table("rate_limits")
