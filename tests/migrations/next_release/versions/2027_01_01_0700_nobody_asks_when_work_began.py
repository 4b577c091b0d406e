"""Nobody asks when work began."""

from alembic import op

revision = "00000000c007"
down_revision = "00000000c006"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade() -> None:
    op.drop_column("tasks", "in_progress_at")
