"""The organization of board group memory is not null.

Revision: 2f56bd53fefa
Revises: a44c7a92615e
Created: 2026-11-30 16:24:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2f56bd53fefa"
down_revision = "a44c7a92615e"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("board_group_memory", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_board_group_memory_organization_id_is_set"), "board_group_memory", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_group_memory_organization_id_is_set"),
        "board_group_memory",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("board_group_memory", "organization_id", nullable=True)
