"""The agents of task_comments are valid.

Revision: 6d8c1a3f7e40
Revises: 94be2f7d05a3
Created: 2026-11-23 16:41:00+00:00
"""

from alembic import op

revision = "6d8c1a3f7e40"
down_revision = "94be2f7d05a3"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE task_comments VALIDATE CONSTRAINT fk_task_comments_author_agent_id")


def downgrade() -> None:
    op.drop_constraint(op.f("fk_task_comments_author_agent_id"), "task_comments", type_="foreignkey")
    op.create_foreign_key(
        op.f("fk_task_comments_author_agent_id"),
        "task_comments",
        "agents",
        ["author_agent_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )
