"""New board memory has an organization.

Revision: 2c09bc7bafd0
Revises: 51926cb051d9
Created: 2026-11-30 16:09:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2c09bc7bafd0"
down_revision = "51926cb051d9"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "board_memory_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_memory_organization_id_is_set"),
        "board_memory",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_board_memory_organization_id_is_set"), "board_memory", type_="check")
