"""Task priority: old rows get one.

Revision: c61b9e83f5d2
Revises: a47e5d20c8f9
Created: 2026-11-23 02:40:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "c61b9e83f5d2"
down_revision = "a47e5d20c8f9"
branch_labels = None
depends_on = None
phase = "expand"
lint_ignore = {
    "backfill-in-revision": "Older than backfills. Where the rows are too many, the statement's time limit ends it, and"
    " nothing has changed.",
}


def upgrade() -> None:
    # Second of three, in a transaction of its own: VALIDATE reads the whole table under a lock that stops no writes,
    # while the first step's would have been held all that time. The UPDATE locks the rows that it fills until the end.
    op.execute("UPDATE tasks SET priority = 'medium' WHERE priority IS NULL")
    op.execute("ALTER TABLE tasks VALIDATE CONSTRAINT ck_tasks_priority_is_set")


def downgrade() -> None:
    # The rows keep what they got. A check cannot be made not valid again, so a new one takes its place.
    op.drop_constraint(op.f("ck_tasks_priority_is_set"), "tasks", type_="check")
    op.create_check_constraint(
        op.f("ck_tasks_priority_is_set"), "tasks", sa.column("priority").is_not(None), postgresql_not_valid=True
    )
