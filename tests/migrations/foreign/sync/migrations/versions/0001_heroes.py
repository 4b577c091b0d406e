"""Heroes and their teams."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "team", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50), nullable=False)
    )
    op.create_index("ix_team_name", "team", ["name"])
    op.create_table(
        "hero",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("team_id", sa.Integer, sa.ForeignKey("team.id")),
    )


def downgrade():
    op.drop_table("hero")
    op.drop_table("team")
