"""Activity events are partitioned by month.

The rows stay where they are: the table becomes the default partition of one that takes its name. Which months get a
partition is no matter of a revision (`litestar database partitions`). Both tables are locked for a moment, first the
one that requests read first. The way back copies the rows, since there may be many partitions by then.

Revision: 91b4d3c6e8f2
Revises: 5c2e7f90ad14
Created: 2026-11-25 01:01:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "91b4d3c6e8f2"
down_revision = "5c2e7f90ad14"
branch_labels = None
depends_on = None
phase = "expand"

lint_ignore = {
    "contract-step-in-expand": "A table of the same name, columns and defaults takes the place of what is renamed,"
    " and no release refers to the key.",
    "table-locked": "No row is read: the first partition is the default one; the rest is in the catalogue.",
    "several-tables-locked": "The foreign key moves with the table; both are locked in the order of requests.",
}

_NAMES = ("board_id_created_at_id", "organization_id_created_at_id", "organization_id_transaction_id", "comments")


def upgrade() -> None:
    # The partition's foreign key gives up its triggers there, which takes this lock.
    op.execute("LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE")
    op.drop_constraint(op.f("pk_activity_events"), "activity_events", type_="primary")
    op.execute(
        "ALTER TABLE activity_events ADD CONSTRAINT pk_activity_events_default"
        " PRIMARY KEY USING INDEX uq_activity_events_id_created_at"
    )
    for name in _NAMES:
        op.execute(f"ALTER INDEX ix_activity_events_{name} RENAME TO ix_activity_events_default_{name}")
    op.rename_table("activity_events", "activity_events_default")
    op.execute(
        "CREATE TABLE activity_events (LIKE activity_events_default INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)"
    )
    _add_keys_and_indexes(["id", "created_at"])
    op.execute("ALTER TABLE activity_events ATTACH PARTITION activity_events_default DEFAULT")


def downgrade() -> None:
    op.execute("LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE")
    op.rename_table("activity_events", "activity_events_partitioned")
    for name in _NAMES:
        op.execute(f"ALTER INDEX ix_activity_events_{name} RENAME TO ix_activity_events_partitioned_{name}")
    op.execute("ALTER INDEX pk_activity_events RENAME TO pk_activity_events_partitioned")
    op.execute("CREATE TABLE activity_events (LIKE activity_events_partitioned INCLUDING DEFAULTS)")
    _add_keys_and_indexes(["id"])
    op.create_index("uq_activity_events_id_created_at", "activity_events", ["id", "created_at"], unique=True)
    op.execute("INSERT INTO activity_events SELECT * FROM activity_events_partitioned")
    op.drop_table("activity_events_partitioned")


def _add_keys_and_indexes(key: list[str]) -> None:
    op.create_primary_key(op.f("pk_activity_events"), "activity_events", key)
    op.create_foreign_key(
        op.f("fk_activity_events_organization_id"),
        "activity_events",
        "organizations",
        ["organization_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(
        op.f("ix_activity_events_board_id_created_at_id"), "activity_events", ["board_id", "created_at", "id"]
    )
    op.create_index(
        op.f("ix_activity_events_organization_id_created_at_id"),
        "activity_events",
        ["organization_id", "created_at", "id"],
    )
    op.create_index(
        op.f("ix_activity_events_organization_id_transaction_id"),
        "activity_events",
        ["organization_id", "transaction_id"],
    )
    op.create_index(
        "ix_activity_events_comments",
        "activity_events",
        ["organization_id", "created_at", "id"],
        postgresql_where=sa.text("event_type = 'task.commented'"),
    )
