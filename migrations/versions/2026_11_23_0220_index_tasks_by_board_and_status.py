"""Index tasks by board and status.

Revision: 8f3d1c7e2b64
Revises: 5b2e8a4c9d17
Created: 2026-11-23 02:20:00+00:00
"""

from alembic import op

revision = "8f3d1c7e2b64"
down_revision = "5b2e8a4c9d17"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # CONCURRENTLY lets writes go on while the index is built, and cannot run in a transaction.
    # A build that failed or was killed leaves an invalid index of this name behind: it makes way for the next try.
    with op.get_context().autocommit_block():
        op.drop_index("ix_tasks_board_id_status_created_at_id", "tasks", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_tasks_board_id_status_created_at_id",
            "tasks",
            ["board_id", "status", "created_at", "id"],
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_tasks_board_id_status_created_at_id", "tasks", if_exists=True, postgresql_concurrently=True)
