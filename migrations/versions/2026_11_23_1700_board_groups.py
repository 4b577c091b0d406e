"""Board groups.

Revision: 7518132bacf5
Revises: 70defa23e0fb
Created: 2026-11-23 17:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "7518132bacf5"
down_revision = "70defa23e0fb"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "board_groups",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("organization_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_board_groups_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_board_groups")),
        sa.UniqueConstraint("organization_id", "slug", name=op.f("uq_board_groups_organization_id_slug")),
    )
    op.create_index(
        op.f("ix_board_groups_organization_id_created_at_id"),
        "board_groups",
        ["organization_id", "created_at", "id"],
    )


def downgrade() -> None:
    op.drop_table("board_groups")
