"""Webhook payloads are partitioned by month.

As the activity events were: the rows stay where they are, in the default partition.

Revision: e60d8b1f3a97
Revises: 2f7a94d1c05e
Created: 2026-11-25 01:11:00+00:00
"""

from alembic import op

revision = "e60d8b1f3a97"
down_revision = "2f7a94d1c05e"
branch_labels = None
depends_on = None
phase = "expand"

lint_ignore = {
    "contract-step-in-expand": "A table of the same name, columns and defaults takes the place of what is renamed,"
    " and no release refers to the key.",
    "table-locked": "No row is read: the first partition is the default one; the rest is in the catalogue.",
    "several-tables-locked": "The foreign key moves with the table; both are locked in the order of requests.",
}

_COLUMNS = "webhook_id_created_at_id"


def upgrade() -> None:
    # The partition's foreign key gives up its triggers there, which takes this lock.
    op.execute("LOCK TABLE board_webhooks IN ACCESS EXCLUSIVE MODE")
    op.drop_constraint(op.f("pk_board_webhook_payloads"), "board_webhook_payloads", type_="primary")
    op.execute(
        "ALTER TABLE board_webhook_payloads ADD CONSTRAINT pk_board_webhook_payloads_default"
        " PRIMARY KEY USING INDEX uq_board_webhook_payloads_id_created_at"
    )
    op.execute(
        f"ALTER INDEX ix_board_webhook_payloads_{_COLUMNS} RENAME TO ix_board_webhook_payloads_default_{_COLUMNS}"
    )
    op.rename_table("board_webhook_payloads", "board_webhook_payloads_default")
    op.execute(
        "CREATE TABLE board_webhook_payloads (LIKE board_webhook_payloads_default INCLUDING DEFAULTS)"
        " PARTITION BY RANGE (created_at)"
    )
    _add_keys_and_indexes(["id", "created_at"])
    op.execute("ALTER TABLE board_webhook_payloads ATTACH PARTITION board_webhook_payloads_default DEFAULT")


def downgrade() -> None:
    op.execute("LOCK TABLE board_webhooks IN ACCESS EXCLUSIVE MODE")
    op.rename_table("board_webhook_payloads", "board_webhook_payloads_partitioned")
    op.execute(
        f"ALTER INDEX ix_board_webhook_payloads_{_COLUMNS} RENAME TO ix_board_webhook_payloads_partitioned_{_COLUMNS}"
    )
    op.execute("ALTER INDEX pk_board_webhook_payloads RENAME TO pk_board_webhook_payloads_partitioned")
    op.execute("CREATE TABLE board_webhook_payloads (LIKE board_webhook_payloads_partitioned INCLUDING DEFAULTS)")
    _add_keys_and_indexes(["id"])
    op.create_index(
        "uq_board_webhook_payloads_id_created_at", "board_webhook_payloads", ["id", "created_at"], unique=True
    )
    op.execute("INSERT INTO board_webhook_payloads SELECT * FROM board_webhook_payloads_partitioned")
    op.drop_table("board_webhook_payloads_partitioned")


def _add_keys_and_indexes(key: list[str]) -> None:
    op.create_primary_key(op.f("pk_board_webhook_payloads"), "board_webhook_payloads", key)
    op.create_foreign_key(
        op.f("fk_board_webhook_payloads_webhook_id"),
        "board_webhook_payloads",
        "board_webhooks",
        ["webhook_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(
        op.f("ix_board_webhook_payloads_webhook_id_created_at_id"),
        "board_webhook_payloads",
        ["webhook_id", "created_at", "id"],
    )
