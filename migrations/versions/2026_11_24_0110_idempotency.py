"""Answers that are kept by their Idempotency-Key.

Revision: 54b8a3bfe41f
Revises: 0551e1941ce6
Created: 2026-11-24 01:10:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "54b8a3bfe41f"
down_revision = "0551e1941ce6"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "idempotent_responses",
        sa.Column("caller_id", sa.UUID(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "key_hash", name=op.f("pk_idempotent_responses")),
    )
    op.create_index(op.f("ix_idempotent_responses_created_at"), "idempotent_responses", ["created_at"])


def downgrade() -> None:
    op.drop_table("idempotent_responses")
