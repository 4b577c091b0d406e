"""The organization of grants of invites is not null.

Revision: 1f91cc2e3ed8
Revises: b46da205e211
Created: 2026-11-30 16:22:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "1f91cc2e3ed8"
down_revision = "b46da205e211"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("invite_board_access", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_invite_board_access_organization_id_is_set"), "invite_board_access", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_invite_board_access_organization_id_is_set"),
        "invite_board_access",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("invite_board_access", "organization_id", nullable=True)
