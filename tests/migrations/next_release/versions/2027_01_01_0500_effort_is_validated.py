"""Effort is validated."""

from alembic import op

revision = "00000000c005"
down_revision = "00000000c004"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.execute("ALTER TABLE tasks VALIDATE CONSTRAINT ck_tasks_effort")
    op.execute("ALTER TABLE tasks VALIDATE CONSTRAINT ck_tasks_effort_is_set")
