"""Comments name the agent that wrote them.

Revision: 94be2f7d05a3
Revises: 3a61e0d8b92c
Created: 2026-11-23 16:40:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "94be2f7d05a3"
down_revision = "3a61e0d8b92c"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # NOT VALID reads no old row; the next revision validates it, and writes go on meanwhile.
    op.add_column("task_comments", sa.Column("author_agent_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_task_comments_author_agent_id"),
        "task_comments",
        "agents",
        ["author_agent_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_column("task_comments", "author_agent_id")
