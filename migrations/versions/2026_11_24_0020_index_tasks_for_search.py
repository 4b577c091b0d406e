"""Index tasks for search.

Revision: 3b67bd6cc05b
Revises: b628aa210830
Created: 2026-11-24 00:20:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "3b67bd6cc05b"
down_revision = "b628aa210830"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_tasks_search", "tasks", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_tasks_search",
            "tasks",
            [sa.text("to_tsvector('english', title || ' ' || coalesce(description, ''))")],
            postgresql_using="gin",
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_tasks_search", "tasks", if_exists=True, postgresql_concurrently=True)
