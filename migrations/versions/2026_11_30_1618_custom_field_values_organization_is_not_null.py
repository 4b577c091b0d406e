"""The organization of custom field values is not null.

Revision: 97bdad6b2575
Revises: 779502b2e8a1
Created: 2026-11-30 16:18:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "97bdad6b2575"
down_revision = "779502b2e8a1"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.alter_column("custom_field_values", "organization_id", nullable=False)
    op.drop_constraint(op.f("ck_custom_field_values_organization_id_is_set"), "custom_field_values", type_="check")


def downgrade() -> None:
    op.create_check_constraint(
        op.f("ck_custom_field_values_organization_id_is_set"),
        "custom_field_values",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )
    op.alter_column("custom_field_values", "organization_id", nullable=True)
