"""Tasks are counted: from here on every change is.

Revision: 81f6a3c0d2be
Revises: 5d0b7c2e9f41
Created: 2026-11-25 03:01:00+00:00
"""

from alembic import op

revision = "81f6a3c0d2be"
down_revision = "5d0b7c2e9f41"
branch_labels = None
depends_on = None
phase = "expand"

lint_ignore = {
    "contract-step-in-expand": "The triggers append to another table, as its owner, and refuse and change nothing.",
}


def upgrade() -> None:
    op.execute(
        "CREATE TRIGGER count_added AFTER INSERT ON tasks"
        " REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()"
    )
    op.execute(
        "CREATE TRIGGER count_changed AFTER UPDATE ON tasks"
        " REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()"
    )
    op.execute(
        "CREATE TRIGGER count_removed AFTER DELETE ON tasks"
        " REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()"
    )
    op.execute(
        "CREATE TRIGGER count_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()"
    )


def downgrade() -> None:
    for name in ("count_added", "count_changed", "count_removed", "count_truncated"):
        op.execute(f"DROP TRIGGER {name} ON tasks")
