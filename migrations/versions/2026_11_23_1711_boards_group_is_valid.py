"""The groups of boards are valid.

Revision: 4565cd242cb1
Revises: 4c5526f809b3
Created: 2026-11-23 17:11:00+00:00
"""

from alembic import op

revision = "4565cd242cb1"
down_revision = "4c5526f809b3"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE boards VALIDATE CONSTRAINT fk_boards_board_group_id")


def downgrade() -> None:
    op.drop_constraint(op.f("fk_boards_board_group_id"), "boards", type_="foreignkey")
    op.create_foreign_key(
        op.f("fk_boards_board_group_id"),
        "boards",
        "board_groups",
        ["board_group_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )
