"""The organization of tags of tasks is not null.

Revision: 779502b2e8a1
Revises: 327701f4731a
Created: 2026-11-30 16:17:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "779502b2e8a1"
down_revision = "327701f4731a"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("task_tags", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_task_tags_organization_id_is_set"), "task_tags", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_task_tags_organization_id_is_set"),
        "task_tags",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("task_tags", "organization_id", nullable=True)
