"""New boards of custom fields have an organization.

Revision: 769d96ae2602
Revises: ed0eaf6f9a89
Created: 2026-11-30 16:05:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "769d96ae2602"
down_revision = "ed0eaf6f9a89"
branch_labels = None
depends_on = None
phase = "contract"
requires_backfill = "custom_field_boards_organization"


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_custom_field_boards_organization_id_is_set"),
        "custom_field_boards",
        sa.column("organization_id").is_not(None),
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_custom_field_boards_organization_id_is_set"), "custom_field_boards", type_="check")
