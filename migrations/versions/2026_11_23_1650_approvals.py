"""Approvals.

Revision: 2e8b64f0d7a5
Revises: c5f7092b8d61
Created: 2026-11-23 16:50:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2e8b64f0d7a5"
down_revision = "c5f7092b8d61"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("organization_id", sa.UUID(), nullable=False),
        sa.Column("board_id", sa.UUID(), nullable=False),
        sa.Column("agent_id", sa.UUID(), nullable=True),
        sa.Column("action_type", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("rubric_scores", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("lead_reasoning", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'pending') = (resolved_at IS NULL)", name=op.f("ck_approvals_resolved")),
        sa.CheckConstraint("status IN ('pending', 'approved', 'rejected')", name=op.f("ck_approvals_status")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 100", name=op.f("ck_approvals_confidence")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_approvals_agent_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_approvals_board_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_approvals_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(op.f("ix_approvals_agent_id"), "approvals", ["agent_id"])
    op.create_index(op.f("ix_approvals_board_id_created_at_id"), "approvals", ["board_id", "created_at", "id"])
    op.create_index(
        op.f("ix_approvals_organization_id_created_at"),
        "approvals",
        ["organization_id", "created_at"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "approval_tasks",
        sa.Column("approval_id", sa.UUID(), nullable=False),
        sa.Column("task_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("is_pending", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["approval_id"], ["approvals.id"], name=op.f("fk_approval_tasks_approval_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_approval_tasks_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("approval_id", "task_id", name=op.f("pk_approval_tasks")),
    )
    op.create_index(op.f("ix_approval_tasks_task_id"), "approval_tasks", ["task_id"])
    op.create_index(
        "uq_approval_tasks_task_id_pending",
        "approval_tasks",
        ["task_id"],
        unique=True,
        postgresql_where=sa.text("is_pending"),
    )


def downgrade() -> None:
    op.drop_table("approval_tasks")
    op.drop_table("approvals")
