"""New webhooks have an organization.

Revision: e891c40c00d5
Revises: a87d4f100e2b
Created: 2026-11-30 16:11:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "e891c40c00d5"
down_revision = "a87d4f100e2b"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "board_webhooks_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_webhooks_organization_id_is_set"),
        "board_webhooks",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_board_webhooks_organization_id_is_set"), "board_webhooks", type_="check")
