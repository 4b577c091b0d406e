"""The organization of tasks of approvals is not null.

Revision: 860d80f70dc2
Revises: ed4398cb91b4
Created: 2026-11-30 16:20:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "860d80f70dc2"
down_revision = "ed4398cb91b4"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("approval_tasks", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_approval_tasks_organization_id_is_set"), "approval_tasks", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_approval_tasks_organization_id_is_set"),
        "approval_tasks",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("approval_tasks", "organization_id", nullable=True)
