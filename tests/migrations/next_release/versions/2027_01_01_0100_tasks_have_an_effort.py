"""Tasks have an effort."""

import sqlalchemy as sa
from alembic import op

revision = "00000000e001"
down_revision = "the head of the project"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("effort", sa.Integer()))
    op.alter_column("tasks", "effort", server_default="1")
    # Old rows have none yet, and pass it. `IS NOT NULL` has to wait for the backfill: not valid or not, a check refuses
    # every change of a row that does not hold to it.
    op.create_check_constraint(
        op.f("ck_tasks_effort"), "tasks", sa.column("effort").between(0, 1000), postgresql_not_valid=True
    )
