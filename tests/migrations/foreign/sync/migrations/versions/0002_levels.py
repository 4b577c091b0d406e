"""Heroes have a level."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("hero", sa.Column("level", sa.Integer))


def downgrade():
    op.drop_column("hero", "level")
