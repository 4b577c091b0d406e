"""New webhook payloads have an organization.

Revision: 96e19cd01c4d
Revises: e891c40c00d5
Created: 2026-11-30 16:12:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "96e19cd01c4d"
down_revision = "e891c40c00d5"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "board_webhook_payloads_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_webhook_payloads_organization_id_is_set"),
        "board_webhook_payloads",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(
        op.f("ck_board_webhook_payloads_organization_id_is_set"), "board_webhook_payloads", type_="check"
    )
