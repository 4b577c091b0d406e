"""The number of tasks of each status on a board, which the database itself counts as they come and go."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, MetaData, Table, event, text
from sqlalchemy.orm import Mapped, mapped_column

from app.migrator.repairs import REPAIRS
from app.models.base import Base


class TaskCount(Base):
    """By how much the number of tasks of a status grew or shrank; a board has the sum over its rows.

    Triggers on `tasks` append the rows, so that writers never wait for each other, and now and then fold those of a
    board. There is no foreign key, which would lock the board at each change of a status: a trigger on `boards` deletes
    the rows of a deleted board, and reads join the boards all the same.
    """

    __tablename__ = "task_counts"

    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    board_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    tasks: Mapped[int] = mapped_column(BigInteger)


_PARTS = {"boards", "tasks", "task_counts"}
_CAN_BE_COUNTED = text("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(CAST(:names AS text[])) AS name")
_SCHEMA = text("SELECT quote_ident(current_schema())")
# The functions run as their owner: who may write tasks need not be allowed to write the counts. So what their names
# mean is fixed, and is nothing that a session could put in its place.
_PATH = text("SELECT current_setting('search_path')")
_SET_PATH = text("SELECT set_config('search_path', :path, true)")
_FIX_PATH = text("SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)")

_COUNT_TASKS = """\
CREATE OR REPLACE FUNCTION count_tasks() RETURNS trigger
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
CREATE OR REPLACE FUNCTION forget_task_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM task_counts USING removed
    WHERE task_counts.organization_id = removed.organization_id AND task_counts.board_id = removed.id;
    RETURN NULL;
END
$$"""
_FUNCTIONS = (_COUNT_TASKS, _FORGET)
# By name: on what, and the function. A temporary function is found by its schema only.
_TRIGGERS = {
    "forget_task_counts": ("DELETE ON boards REFERENCING OLD TABLE AS removed", "forget_task_counts"),
    "count_added": ("INSERT ON tasks REFERENCING NEW TABLE AS added", "count_tasks"),
    "count_changed": ("UPDATE ON tasks REFERENCING OLD TABLE AS removed NEW TABLE AS added", "count_tasks"),
    "count_removed": ("DELETE ON tasks REFERENCING OLD TABLE AS removed", "count_tasks"),
    "count_truncated": ("TRUNCATE ON tasks", "count_tasks"),
}
# What is there already, less what is counted of it; and what deleted boards have left.
_COUNT_AGAIN = (
    """\
INSERT INTO task_counts (organization_id, board_id, id, status, tasks)
SELECT boards.organization_id, boards.id, gen_random_uuid(), status, sum(n)
FROM (SELECT board_id, status, count(*) AS n FROM tasks GROUP BY board_id, status
      UNION ALL SELECT board_id, status, -tasks FROM task_counts) AS change
JOIN boards ON boards.id = change.board_id
GROUP BY boards.id, status HAVING sum(n) <> 0""",
    "DELETE FROM task_counts WHERE NOT EXISTS (SELECT FROM boards WHERE boards.id = task_counts.board_id)",
)
Base.metadata.info[REPAIRS] = dict.fromkeys(("task_counts", "count_tasks", *_TRIGGERS), _COUNT_AGAIN)


@event.listens_for(Base.metadata, "after_create")
def _with_counting(metadata: MetaData, connection: Connection, tables: Sequence[Table], **_: Any) -> None:  # noqa: ANN401, ARG001 - SQLAlchemy's
    """Add the functions and triggers to what `create_all` makes; a revision makes its own."""
    if _PARTS.isdisjoint(table.name for table in tables):
        return
    if connection.scalar(_CAN_BE_COUNTED, {"names": sorted(_PARTS)}):
        path = connection.scalar(_PATH)
        connection.execute(_FIX_PATH)
        schema = connection.scalar(_SCHEMA)
        triggers = (
            f"CREATE OR REPLACE TRIGGER {name} AFTER {event} FOR EACH STATEMENT EXECUTE FUNCTION {schema}.{function}()"
            for name, (event, function) in _TRIGGERS.items()
        )
        for statement in (*_FUNCTIONS, *triggers, *_COUNT_AGAIN):
            connection.exec_driver_sql(statement)
        connection.execute(_SET_PATH, {"path": path})
