"""New grants on boards have an organization.

Revision: 9cfc1775d62e
Revises: 4dba66c99526
Created: 2026-11-30 16:07:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "9cfc1775d62e"
down_revision = "4dba66c99526"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "board_access_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_access_organization_id_is_set"),
        "board_access",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_board_access_organization_id_is_set"), "board_access", type_="check")
