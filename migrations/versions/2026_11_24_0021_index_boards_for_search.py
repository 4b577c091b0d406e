"""Index boards for search.

Revision: e2a6a3710444
Revises: 3b67bd6cc05b
Created: 2026-11-24 00:21:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "e2a6a3710444"
down_revision = "3b67bd6cc05b"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_boards_search", "boards", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "ix_boards_search",
            "boards",
            [sa.text("to_tsvector('english', name || ' ' || coalesce(description, ''))")],
            postgresql_using="gin",
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_boards_search", "boards", if_exists=True, postgresql_concurrently=True)
