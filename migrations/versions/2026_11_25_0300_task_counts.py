"""Task counts.

The table and what counts; nothing is counted yet.

Revision: 5d0b7c2e9f41
Revises: 9c86defda9aa
Created: 2026-11-25 03:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "5d0b7c2e9f41"
down_revision = "9c86defda9aa"
branch_labels = None
depends_on = None
phase = "expand"

lint_ignore = {
    "contract-step-in-expand": "What a deleted board has left is deleted; no release reads it before all revisions.",
}

_COUNT_TASKS = """\
CREATE FUNCTION count_tasks() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    board_ids uuid[];
    statuses text[];
    numbers bigint[];
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        SELECT array_agg(board_id), array_agg(status), array_agg(n) INTO board_ids, statuses, numbers
        FROM (SELECT board_id, status, count(*) AS n FROM added GROUP BY board_id, status) AS change;
    WHEN 'DELETE' THEN
        SELECT array_agg(board_id), array_agg(status), array_agg(n) INTO board_ids, statuses, numbers
        FROM (SELECT board_id, status, -count(*) AS n FROM removed GROUP BY board_id, status) AS change;
    WHEN 'UPDATE' THEN
        SELECT array_agg(board_id), array_agg(status), array_agg(n) INTO board_ids, statuses, numbers
        FROM (
            SELECT board_id, status, sum(one) AS n
            FROM (SELECT board_id, status, 1 AS one FROM added
                  UNION ALL SELECT board_id, status, -1 FROM removed) AS task
            GROUP BY board_id, status HAVING sum(one) <> 0
        ) AS change;
    ELSE
        DELETE FROM task_counts;
    END CASE;
    IF board_ids IS NULL THEN
        RETURN NULL;
    END IF;
    -- A board that is being deleted, and its tasks with it, is gone already. One that this transaction does not see
    -- for another reason gets no tasks: organization_id would be NULL.
    INSERT INTO task_counts (organization_id, board_id, id, status, tasks)
    SELECT boards.organization_id, change.board_id, gen_random_uuid(), change.status, change.n
    FROM unnest(board_ids, statuses, numbers) AS change (board_id, status, n)
    LEFT JOIN boards ON boards.id = change.board_id
    WHERE boards.id IS NOT NULL OR change.n > 0;
    -- Once in sixteen times, and once in a transaction, which reads again what it has deleted itself: all rows of the
    -- boards that nobody else is folding become one for each status. A transaction with one view of everything could
    -- fail over rows that another one has folded.
    IF random() < 0.0625 AND current_setting('transaction_isolation') = 'read committed'
       AND coalesce(current_setting('plimsoll.has_folded', true), '') = '' THEN
        PERFORM set_config('plimsoll.has_folded', 'yes', true);
        WITH folded AS (
            DELETE FROM task_counts WHERE ctid = ANY (ARRAY(
                SELECT kept.ctid
                FROM boards JOIN task_counts AS kept
                ON kept.organization_id = boards.organization_id AND kept.board_id = boards.id
                WHERE boards.id = ANY (board_ids)
                FOR UPDATE OF kept SKIP LOCKED
            ))
            RETURNING organization_id, board_id, status, tasks
        )
        INSERT INTO task_counts (organization_id, board_id, id, status, tasks)
        SELECT organization_id, board_id, gen_random_uuid(), status, sum(tasks) FROM folded
        GROUP BY organization_id, board_id, status HAVING sum(tasks) <> 0;
    END IF;
    RETURN NULL;
END
$$"""
_FORGET = """\
CREATE FUNCTION forget_task_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM task_counts USING removed
    WHERE task_counts.organization_id = removed.organization_id AND task_counts.board_id = removed.id;
    RETURN NULL;
END
$$"""


def upgrade() -> None:
    op.create_table(
        "task_counts",
        sa.Column("organization_id", sa.UUID(), nullable=False),
        sa.Column("board_id", sa.UUID(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tasks", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "board_id", "id", name=op.f("pk_task_counts")),
    )
    # The functions run as their owner, and look for names where this transaction makes the table, last among what is
    # temporary, which a session could put in its place.
    op.execute("SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)")
    op.execute(_COUNT_TASKS)
    op.execute(_FORGET)
    op.execute(
        "CREATE TRIGGER forget_task_counts AFTER DELETE ON boards"
        " REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION forget_task_counts()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER forget_task_counts ON boards")
    op.execute("DROP FUNCTION forget_task_counts()")
    op.execute("DROP FUNCTION count_tasks()")
    op.drop_table("task_counts")
