"""Activity events.

Revision: b3d07e5a2c46
Revises: e92f4a6d1b80
Created: 2026-11-23 16:10:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b3d07e5a2c46"
down_revision = "e92f4a6d1b80"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "activity_events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("organization_id", sa.UUID(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("agent_id", sa.UUID(), nullable=True),
        sa.Column("board_group_id", sa.UUID(), nullable=True),
        sa.Column("board_id", sa.UUID(), nullable=True),
        sa.Column("task_id", sa.UUID(), nullable=True),
        sa.Column("subject_id", sa.UUID(), nullable=True),
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_activity_events_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_events")),
    )
    op.create_index(
        op.f("ix_activity_events_board_id_created_at_id"), "activity_events", ["board_id", "created_at", "id"]
    )
    op.create_index(
        op.f("ix_activity_events_organization_id_created_at_id"),
        "activity_events",
        ["organization_id", "created_at", "id"],
    )
    op.create_index(
        op.f("ix_activity_events_organization_id_transaction_id"),
        "activity_events",
        ["organization_id", "transaction_id"],
    )
    op.create_index(
        "ix_activity_events_comments",
        "activity_events",
        ["organization_id", "created_at", "id"],
        postgresql_where=sa.text("event_type = 'task.commented'"),
    )


def downgrade() -> None:
    op.drop_table("activity_events")
