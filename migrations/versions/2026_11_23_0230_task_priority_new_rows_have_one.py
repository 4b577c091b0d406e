"""Task priority: new rows have one.

Revision: a47e5d20c8f9
Revises: 8f3d1c7e2b64
Created: 2026-11-23 02:30:00+00:00

Expand, since the previous release has always written a priority.
"""

import sqlalchemy as sa
from alembic import op

revision = "a47e5d20c8f9"
down_revision = "8f3d1c7e2b64"
branch_labels = None
depends_on = None
phase = "expand"
lint_ignore = {
    "contract-step-in-expand": "No release has written NULL: TaskCreate fills in medium, and TaskUpdate takes no null.",
}


def upgrade() -> None:
    # First of three steps to NOT NULL. NOT VALID holds new rows to the check without reading the old ones.
    op.alter_column("tasks", "priority", server_default="medium")
    op.create_check_constraint(
        op.f("ck_tasks_priority_is_set"), "tasks", sa.column("priority").is_not(None), postgresql_not_valid=True
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_tasks_priority_is_set"), "tasks", type_="check")
    op.alter_column("tasks", "priority", server_default=None)
