"""Index tasks by effort."""

from alembic import op

revision = "00000000e003"
down_revision = "00000000e002"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ix_tasks_board_id_effort", "tasks", ["board_id", "effort"], postgresql_concurrently=True)
