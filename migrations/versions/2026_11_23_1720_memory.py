"""The memory of boards and of their groups.

Revision: b628aa210830
Revises: b3232f2a2b8c
Created: 2026-11-23 17:20:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b628aa210830"
down_revision = "b3232f2a2b8c"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "board_memory",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("board_id", sa.UUID(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column(
            "is_chat",
            sa.Boolean(),
            sa.Computed("coalesce('chat' = ANY (tags), false)", persisted=True),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name=op.f("fk_board_memory_board_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_memory")),
    )
    op.create_index(op.f("ix_board_memory_board_id_created_at_id"), "board_memory", ["board_id", "created_at", "id"])
    op.create_index(
        op.f("ix_board_memory_board_id_is_chat_created_at_id"),
        "board_memory",
        ["board_id", "is_chat", "created_at", "id"],
    )
    op.create_table(
        "board_group_memory",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("board_group_id", sa.UUID(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("tags", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column(
            "is_chat",
            sa.Boolean(),
            sa.Computed("coalesce('chat' = ANY (tags), false)", persisted=True),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["board_group_id"],
            ["board_groups.id"],
            name=op.f("fk_board_group_memory_board_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_group_memory")),
    )
    op.create_index(
        op.f("ix_board_group_memory_board_group_id_created_at_id"),
        "board_group_memory",
        ["board_group_id", "created_at", "id"],
    )
    op.create_index(
        op.f("ix_board_group_memory_board_group_id_is_chat_created_at_id"),
        "board_group_memory",
        ["board_group_id", "is_chat", "created_at", "id"],
    )


def downgrade() -> None:
    op.drop_table("board_group_memory")
    op.drop_table("board_memory")
