"""New grants of invites have an organization.

Revision: 51926cb051d9
Revises: 9cfc1775d62e
Created: 2026-11-30 16:08:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "51926cb051d9"
down_revision = "9cfc1775d62e"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "invite_board_access_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_invite_board_access_organization_id_is_set"),
        "invite_board_access",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_invite_board_access_organization_id_is_set"), "invite_board_access", type_="check")
