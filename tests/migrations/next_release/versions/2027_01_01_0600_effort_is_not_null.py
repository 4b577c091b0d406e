"""Effort is not null."""

from alembic import op

revision = "00000000c006"
down_revision = "00000000c005"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("tasks", "effort", nullable=False)
    op.drop_constraint(op.f("ck_tasks_effort_is_set"), "tasks", type_="check")
