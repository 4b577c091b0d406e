"""Custom fields, their boards, and what tasks have in them.

Revision: 0551e1941ce6
Revises: 45b6909dde8b
Created: 2026-11-24 00:40:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "0551e1941ce6"
down_revision = "45b6909dde8b"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "custom_fields",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("organization_id", sa.UUID(), nullable=False),
        sa.Column("field_key", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("field_type", sa.Text(), nullable=False),
        sa.Column("ui_visibility", sa.Text(), server_default="always", nullable=False),
        sa.Column("validation_regex", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("default_value", sa.JSON(none_as_null=True), nullable=True),
        sa.CheckConstraint(
            "field_type IN ('text', 'text_long', 'integer', 'decimal', 'boolean', 'date', 'date_time', 'url', 'json')",
            name=op.f("ck_custom_fields_field_type"),
        ),
        sa.CheckConstraint(
            "ui_visibility IN ('always', 'if_set', 'hidden')", name=op.f("ck_custom_fields_ui_visibility")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_custom_fields_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_fields")),
        sa.UniqueConstraint("organization_id", "field_key", name=op.f("uq_custom_fields_organization_id_field_key")),
    )
    op.create_table(
        "custom_field_boards",
        sa.Column("board_id", sa.UUID(), nullable=False),
        sa.Column("custom_field_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["board_id"], ["boards.id"], name=op.f("fk_custom_field_boards_board_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["custom_field_id"],
            ["custom_fields.id"],
            name=op.f("fk_custom_field_boards_custom_field_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("board_id", "custom_field_id", name=op.f("pk_custom_field_boards")),
    )
    op.create_index(op.f("ix_custom_field_boards_custom_field_id"), "custom_field_boards", ["custom_field_id"])
    op.create_table(
        "custom_field_values",
        sa.Column("task_id", sa.UUID(), nullable=False),
        sa.Column("custom_field_id", sa.UUID(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custom_field_id"],
            ["custom_fields.id"],
            name=op.f("fk_custom_field_values_custom_field_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_custom_field_values_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "custom_field_id", name=op.f("pk_custom_field_values")),
    )
    op.create_index(op.f("ix_custom_field_values_custom_field_id"), "custom_field_values", ["custom_field_id"])


def downgrade() -> None:
    op.drop_table("custom_field_values")
    op.drop_table("custom_field_boards")
    op.drop_table("custom_fields")
