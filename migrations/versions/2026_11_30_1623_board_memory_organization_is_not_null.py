"""The organization of board memory is not null.

Revision: a44c7a92615e
Revises: 1f91cc2e3ed8
Created: 2026-11-30 16:23:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "a44c7a92615e"
down_revision = "1f91cc2e3ed8"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("board_memory", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_board_memory_organization_id_is_set"), "board_memory", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_memory_organization_id_is_set"),
        "board_memory",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("board_memory", "organization_id", nullable=True)
