"""New tags of tasks have an organization.

Revision: d239af55d32d
Revises: 32f9dd08daca
Created: 2026-11-30 16:03:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "d239af55d32d"
down_revision = "32f9dd08daca"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "task_tags_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_task_tags_organization_id_is_set"),
        "task_tags",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_task_tags_organization_id_is_set"), "task_tags", type_="check")
