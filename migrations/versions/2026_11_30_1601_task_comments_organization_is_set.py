"""New comments have an organization.

Revision: 648041a21ffd
Revises: 574cebbd2106
Created: 2026-11-30 16:01:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "648041a21ffd"
down_revision = "574cebbd2106"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "task_comments_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_task_comments_organization_id_is_set"),
        "task_comments",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_task_comments_organization_id_is_set"), "task_comments", type_="check")
