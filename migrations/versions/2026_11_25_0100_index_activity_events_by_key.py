"""Index activity events by what will be their key.

Revision: 5c2e7f90ad14
Revises: 8d1c6a90e3b7
Created: 2026-11-25 01:00:00+00:00
"""

from alembic import op

revision = "5c2e7f90ad14"
down_revision = "8d1c6a90e3b7"
branch_labels = None
depends_on = None
phase = "expand"

lint_ignore = {"contract-step-in-expand": "The ids alone are unique already: it forbids nothing."}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "uq_activity_events_id_created_at", "activity_events", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "uq_activity_events_id_created_at",
            "activity_events",
            ["id", "created_at"],
            unique=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "uq_activity_events_id_created_at", "activity_events", if_exists=True, postgresql_concurrently=True
        )
