"""Every task has an effort."""

import sqlalchemy as sa
from alembic import op

revision = "00000000c004"
down_revision = "00000000e003"
branch_labels = None
depends_on = None
# A release before this one would work after it, but a deployment's first step ends before the backfill.
phase = "contract"
requires_backfill = "task_effort"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_tasks_effort_is_set"), "tasks", sa.column("effort").is_not(None), postgresql_not_valid=True
    )
