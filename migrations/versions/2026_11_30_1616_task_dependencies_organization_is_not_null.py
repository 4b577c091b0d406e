"""The organization of dependencies is not null.

Revision: 327701f4731a
Revises: 62d134fce1a1
Created: 2026-11-30 16:16:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "327701f4731a"
down_revision = "62d134fce1a1"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("task_dependencies", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_task_dependencies_organization_id_is_set"), "task_dependencies", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_task_dependencies_organization_id_is_set"),
        "task_dependencies",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("task_dependencies", "organization_id", nullable=True)
