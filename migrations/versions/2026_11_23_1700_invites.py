"""Invites.

Revision: 70defa23e0fb
Revises: 2e8b64f0d7a5
Created: 2026-11-23 17:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "70defa23e0fb"
down_revision = "2e8b64f0d7a5"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "organization_invites",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("organization_id", sa.UUID(), nullable=False),
        sa.Column("invited_email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="member", nullable=False),
        sa.Column("all_boards_read", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("all_boards_write", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("token_seed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by_user_id", sa.UUID(), nullable=True),
        sa.Column("accepted_by_user_id", sa.UUID(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member')", name=op.f("ck_organization_invites_role")),
        sa.ForeignKeyConstraint(
            ["accepted_by_user_id"],
            ["users.id"],
            name=op.f("fk_organization_invites_accepted_by_user_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["created_by_user_id"],
            ["users.id"],
            name=op.f("fk_organization_invites_created_by_user_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_organization_invites_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_invites")),
    )
    op.create_index(
        op.f("ix_organization_invites_accepted_by_user_id"), "organization_invites", ["accepted_by_user_id"]
    )
    op.create_index(op.f("ix_organization_invites_created_by_user_id"), "organization_invites", ["created_by_user_id"])
    op.create_index(
        op.f("ix_organization_invites_organization_id_created_at_id"),
        "organization_invites",
        ["organization_id", "created_at", "id"],
    )
    op.create_table(
        "invite_board_access",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("organization_invite_id", sa.UUID(), nullable=False),
        sa.Column("board_id", sa.UUID(), nullable=False),
        sa.Column("can_read", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("can_write", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["board_id"], ["boards.id"], name=op.f("fk_invite_board_access_board_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_invite_id"],
            ["organization_invites.id"],
            name=op.f("fk_invite_board_access_organization_invite_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invite_board_access")),
        sa.UniqueConstraint(
            "organization_invite_id", "board_id", name=op.f("uq_invite_board_access_organization_invite_id_board_id")
        ),
    )
    op.create_index(op.f("ix_invite_board_access_board_id"), "invite_board_access", ["board_id"])


def downgrade() -> None:
    op.drop_table("invite_board_access")
    op.drop_table("organization_invites")
