"""Webhooks and their payloads.

Revision: 45b6909dde8b
Revises: 527632989ab2
Created: 2026-11-24 00:31:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "45b6909dde8b"
down_revision = "527632989ab2"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "board_webhooks",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("board_id", sa.UUID(), nullable=False),
        sa.Column("agent_id", sa.UUID(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("signature_header", sa.Text(), server_default="X-Signature-256", nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_board_webhooks_agent_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["board_id"], ["boards.id"], name=op.f("fk_board_webhooks_board_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_webhooks")),
    )
    op.create_index(
        op.f("ix_board_webhooks_agent_id"),
        "board_webhooks",
        ["agent_id"],
        postgresql_where=sa.text("agent_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_board_webhooks_board_id_created_at_id"), "board_webhooks", ["board_id", "created_at", "id"]
    )
    op.create_table(
        "board_webhook_payloads",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("headers", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("source_ip", sa.Text(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["board_webhooks.id"], name=op.f("fk_board_webhook_payloads_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_webhook_payloads")),
    )
    op.create_index(
        op.f("ix_board_webhook_payloads_webhook_id_created_at_id"),
        "board_webhook_payloads",
        ["webhook_id", "created_at", "id"],
    )


def downgrade() -> None:
    op.drop_table("board_webhook_payloads")
    op.drop_table("board_webhooks")
