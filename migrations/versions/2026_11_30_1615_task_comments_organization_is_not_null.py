"""The organization of comments is not null.

Revision: 62d134fce1a1
Revises: 49b96d722515
Created: 2026-11-30 16:15:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "62d134fce1a1"
down_revision = "49b96d722515"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("task_comments", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_task_comments_organization_id_is_set"), "task_comments", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_task_comments_organization_id_is_set"),
        "task_comments",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("task_comments", "organization_id", nullable=True)
