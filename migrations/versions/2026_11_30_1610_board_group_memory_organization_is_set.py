"""New board group memory has an organization.

Revision: a87d4f100e2b
Revises: 2c09bc7bafd0
Created: 2026-11-30 16:10:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "a87d4f100e2b"
down_revision = "2c09bc7bafd0"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "board_group_memory_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_group_memory_organization_id_is_set"),
        "board_group_memory",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_board_group_memory_organization_id_is_set"), "board_group_memory", type_="check")
