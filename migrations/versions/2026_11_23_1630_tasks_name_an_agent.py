"""Tasks name the agent that works on them.

Revision: f5a92b7c3e18
Revises: d41f86c9e0b7
Created: 2026-11-23 16:30:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "f5a92b7c3e18"
down_revision = "d41f86c9e0b7"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # NOT VALID reads no old row; the next revision validates it, and writes go on meanwhile.
    op.add_column("tasks", sa.Column("assigned_agent_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_tasks_assigned_agent_id"),
        "tasks",
        "agents",
        ["assigned_agent_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_column("tasks", "assigned_agent_id")
