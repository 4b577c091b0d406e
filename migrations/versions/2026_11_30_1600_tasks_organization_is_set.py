"""New tasks have an organization.

Revision: 574cebbd2106
Revises: c7e92b4f6a10
Created: 2026-11-30 16:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "574cebbd2106"
down_revision = "c7e92b4f6a10"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "tasks_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_tasks_organization_id_is_set"),
        "tasks",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_tasks_organization_id_is_set"), "tasks", type_="check")
