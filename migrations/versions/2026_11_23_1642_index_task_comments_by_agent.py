"""Index task_comments by agent.

Revision: c5f7092b8d61
Revises: 6d8c1a3f7e40
Created: 2026-11-23 16:42:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "c5f7092b8d61"
down_revision = "6d8c1a3f7e40"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_task_comments_author_agent_id", "task_comments", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_task_comments_author_agent_id",
            "task_comments",
            ["author_agent_id"],
            postgresql_where=sa.text("author_agent_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_task_comments_author_agent_id", "task_comments", if_exists=True, postgresql_concurrently=True)
