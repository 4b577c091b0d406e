"""New tasks of approvals have an organization.

Revision: 4dba66c99526
Revises: 769d96ae2602
Created: 2026-11-30 16:06:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "4dba66c99526"
down_revision = "769d96ae2602"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "approval_tasks_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_approval_tasks_organization_id_is_set"),
        "approval_tasks",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_approval_tasks_organization_id_is_set"), "approval_tasks", type_="check")
