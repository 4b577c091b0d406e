"""Task priority is not null.

Revision: e92f4a6d1b80
Revises: c61b9e83f5d2
Created: 2026-11-23 02:50:00+00:00

Expand, since the check has kept NULL out for two revisions.
"""

from alembic import op

revision = "e92f4a6d1b80"
down_revision = "c61b9e83f5d2"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # Third of three: the valid check spares SET NOT NULL the scan under an exclusive lock; then it has done its work.
    op.alter_column("tasks", "priority", nullable=False)
    op.drop_constraint(op.f("ck_tasks_priority_is_set"), "tasks", type_="check")


def downgrade() -> None:
    op.create_check_constraint(op.f("ck_tasks_priority_is_set"), "tasks", "priority IS NOT NULL")
    op.alter_column("tasks", "priority", nullable=True)
