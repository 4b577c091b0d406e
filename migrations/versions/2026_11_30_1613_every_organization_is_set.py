"""All rows have an organization.

Revision: 6ecaa6ecaaa8
Revises: 96e19cd01c4d
Created: 2026-11-30 16:13:00+00:00
"""

from alembic import op

revision = "6ecaa6ecaaa8"
down_revision = "96e19cd01c4d"
branch_labels = None
depends_on = None
phase = "contract"

_TABLES = (
    "tasks",
    "task_comments",
    "task_dependencies",
    "task_tags",
    "custom_field_values",
    "custom_field_boards",
    "approval_tasks",
    "board_access",
    "invite_board_access",
    "board_memory",
    "board_group_memory",
    "board_webhooks",
    "board_webhook_payloads",
)


def upgrade() -> None:
    # A transaction for each, under a lock that stops no traffic. After a kill the revision begins again, and reads
    # no table a second time that it has validated.
    with op.get_context().autocommit_block():
        for table in _TABLES:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_organization_id_is_set")


def downgrade() -> None:
    pass
