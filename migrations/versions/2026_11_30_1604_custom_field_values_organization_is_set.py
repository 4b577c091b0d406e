"""New custom field values have an organization.

Revision: ed0eaf6f9a89
Revises: d239af55d32d
Created: 2026-11-30 16:04:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "ed0eaf6f9a89"
down_revision = "d239af55d32d"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "custom_field_values_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_custom_field_values_organization_id_is_set"),
        "custom_field_values",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_custom_field_values_organization_id_is_set"), "custom_field_values", type_="check")
