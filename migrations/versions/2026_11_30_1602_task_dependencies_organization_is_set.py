"""New dependencies have an organization.

Revision: 32f9dd08daca
Revises: 648041a21ffd
Created: 2026-11-30 16:02:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "32f9dd08daca"
down_revision = "648041a21ffd"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "task_dependencies_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_task_dependencies_organization_id_is_set"),
        "task_dependencies",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_task_dependencies_organization_id_is_set"), "task_dependencies", type_="check")
