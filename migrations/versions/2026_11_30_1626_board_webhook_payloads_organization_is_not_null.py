"""The organization of webhook payloads is not null.

Revision: 5d1d2d0a3e3b
Revises: 458891b2e99f
Created: 2026-11-30 16:26:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "5d1d2d0a3e3b"
down_revision = "458891b2e99f"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("board_webhook_payloads", "organization_id", nullable=False)
    op.drop_constraint(
        op.f("ck_board_webhook_payloads_organization_id_is_set"), "board_webhook_payloads", type_="check"
    )


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_webhook_payloads_organization_id_is_set"),
        "board_webhook_payloads",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("board_webhook_payloads", "organization_id", nullable=True)
