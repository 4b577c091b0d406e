"""Index tasks by agent.

Revision: 3a61e0d8b92c
Revises: 07c3d5e9a1f2
Created: 2026-11-23 16:32:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "3a61e0d8b92c"
down_revision = "07c3d5e9a1f2"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_tasks_assigned_agent_id", "tasks", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_tasks_assigned_agent_id",
            "tasks",
            ["assigned_agent_id"],
            postgresql_where=sa.text("assigned_agent_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_tasks_assigned_agent_id", "tasks", if_exists=True, postgresql_concurrently=True)
