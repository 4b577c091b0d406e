"""The organization of tasks is not null.

Revision: 49b96d722515
Revises: 6ecaa6ecaaa8
Created: 2026-11-30 16:14:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "49b96d722515"
down_revision = "6ecaa6ecaaa8"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("tasks", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_tasks_organization_id_is_set"), "tasks", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_tasks_organization_id_is_set"),
        "tasks",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("tasks", "organization_id", nullable=True)
