"""The agents of tasks are valid.

Revision: 07c3d5e9a1f2
Revises: f5a92b7c3e18
Created: 2026-11-23 16:31:00+00:00
"""

from alembic import op

revision = "07c3d5e9a1f2"
down_revision = "f5a92b7c3e18"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE tasks VALIDATE CONSTRAINT fk_tasks_assigned_agent_id")


def downgrade() -> None:
    op.drop_constraint(op.f("fk_tasks_assigned_agent_id"), "tasks", type_="foreignkey")
    op.create_foreign_key(
        op.f("fk_tasks_assigned_agent_id"),
        "tasks",
        "agents",
        ["assigned_agent_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )
