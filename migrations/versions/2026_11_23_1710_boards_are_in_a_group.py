"""Boards are in a group.

Revision: 4c5526f809b3
Revises: 7518132bacf5
Created: 2026-11-23 17:10:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "4c5526f809b3"
down_revision = "7518132bacf5"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # NOT VALID reads no old row; the next revision validates it, and writes go on meanwhile.
    op.add_column("boards", sa.Column("board_group_id", sa.UUID(), nullable=True))
    op.create_foreign_key(
        op.f("fk_boards_board_group_id"),
        "boards",
        "board_groups",
        ["board_group_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_column("boards", "board_group_id")
