"""The organization of webhooks is not null.

Revision: 458891b2e99f
Revises: 2f56bd53fefa
Created: 2026-11-30 16:25:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "458891b2e99f"
down_revision = "2f56bd53fefa"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("board_webhooks", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_board_webhooks_organization_id_is_set"), "board_webhooks", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_webhooks_organization_id_is_set"),
        "board_webhooks",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("board_webhooks", "organization_id", nullable=True)
