"""Index webhook payloads by what will be their key.

Revision: 2f7a94d1c05e
Revises: 91b4d3c6e8f2
Created: 2026-11-25 01:10:00+00:00
"""

from alembic import op

revision = "2f7a94d1c05e"
down_revision = "91b4d3c6e8f2"
branch_labels = None
depends_on = None
phase = "expand"

lint_ignore = {"contract-step-in-expand": "The ids alone are unique already: it forbids nothing."}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "uq_board_webhook_payloads_id_created_at",
            "board_webhook_payloads",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "uq_board_webhook_payloads_id_created_at",
            "board_webhook_payloads",
            ["id", "created_at"],
            unique=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "uq_board_webhook_payloads_id_created_at",
            "board_webhook_payloads",
            if_exists=True,
            postgresql_concurrently=True,
        )
