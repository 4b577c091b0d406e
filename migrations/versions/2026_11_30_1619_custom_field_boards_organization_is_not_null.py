"""The organization of boards of custom fields is not null.

Revision: ed4398cb91b4
Revises: 97bdad6b2575
Created: 2026-11-30 16:19:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "ed4398cb91b4"
down_revision = "97bdad6b2575"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("custom_field_boards", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_custom_field_boards_organization_id_is_set"), "custom_field_boards", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_custom_field_boards_organization_id_is_set"),
        "custom_field_boards",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("custom_field_boards", "organization_id", nullable=True)
