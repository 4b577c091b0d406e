"""Index boards by group.

Revision: b3232f2a2b8c
Revises: 4565cd242cb1
Created: 2026-11-23 17:12:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b3232f2a2b8c"
down_revision = "4565cd242cb1"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_boards_board_group_id", "boards", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_boards_board_group_id",
            "boards",
            ["board_group_id"],
            postgresql_where=sa.text("board_group_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_boards_board_group_id", "boards", if_exists=True, postgresql_concurrently=True)
