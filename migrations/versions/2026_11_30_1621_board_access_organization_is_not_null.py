"""The organization of grants on boards is not null.

Revision: b46da205e211
Revises: 860d80f70dc2
Created: 2026-11-30 16:21:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b46da205e211"
down_revision = "860d80f70dc2"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("board_access", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_board_access_organization_id_is_set"), "board_access", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_board_access_organization_id_is_set"),
        "board_access",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("board_access", "organization_id", nullable=True)
