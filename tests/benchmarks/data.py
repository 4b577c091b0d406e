"""What the databases of the benchmarks hold: one organization, whose owner is the user of the shared token.

It is made by the server itself, from numbers: task n of board b is the same in every database.
"""

from typing import NamedTuple
from uuid import UUID

import psycopg

ORGANIZATION = UUID("01900000-0000-7000-8000-000000000001")
OWNER = UUID("01900000-0000-7000-8000-000000000002")


class Size(NamedTuple):
    """Task n is on board n modulo `boards`, which has statuses in turn; of two tasks the second waits for the first.

    Each has one or two tags, and values in two of four custom fields. Without `details` there are tasks alone. The last
    was made now, and each other one a minute before the next. What happened is kept for a year.
    """

    tasks: int
    boards: int
    details: bool = True

    def board(self, number: int = 1) -> UUID:
        return _id(1, number % self.boards)

    def task(self, number: int) -> UUID:
        return _id(2, number)

    def task_of_board(self, position: int, board: int = 1) -> UUID:
        """The board's task at this position, oldest first."""
        return self.task(board + position * self.boards)

    @property
    def tasks_of_board(self) -> int:
        return self.tasks // self.boards


KNOWN = "0190000"
"""With which every id here begins."""
# Makes ids of a kind from numbers, in SQL as `_id` does in Python; they sort as the numbers do.
_ID = f"('{KNOWN}{{}}-0000-7000-8000-' || lpad(to_hex({{}}), 12, '0'))::uuid".format
_TASKS = "generate_series(1, %(tasks)s::int) AS n, LATERAL (SELECT n / %(boards)s::int AS place)"
_TASK, _BOARD = _ID(2, "n"), _ID(1, "n %% %(boards)s::int")
_MOMENT = "now() - (%(tasks)s::int - n) * interval '1 minute'"
_KEPT = f"{_MOMENT} > now() - interval '1 year'"

_BASICS = (
    "INSERT INTO organizations (id, name) VALUES (%(organization)s, 'Benchmarks')",
    "INSERT INTO users (id, subject, name, active_organization_id)"
    " VALUES (%(owner)s, 'local', 'Local user', %(organization)s)",
    "INSERT INTO organization_members (id, organization_id, user_id, role)"
    " VALUES (%(owner)s, %(organization)s, %(owner)s, 'owner')",
    f"INSERT INTO tags (id, organization_id, name, slug) SELECT {_ID(3, 'n')}, %(organization)s,"
    " 'Tag ' || n, 'tag-' || n FROM generate_series(0, 9) AS n",
    f"INSERT INTO custom_fields (id, organization_id, field_key, label, field_type) SELECT {_ID(4, 'n')},"
    " %(organization)s, 'field_' || n, 'Field ' || n, 'text' FROM generate_series(0, 3) AS n",
    f"INSERT INTO boards (id, organization_id, name, slug, description, objective, success_metrics)"
    f" SELECT {_ID(1, 'n')}, %(organization)s, 'Board ' || n, 'board-' || n, repeat('What the board is for. ', 4),"
    """ 'Ship it', '{"signups": 1000, "churn": 0.05}' FROM generate_series(0, %(boards)s::int - 1) AS n""",
    "INSERT INTO custom_field_boards (board_id, custom_field_id, organization_id)"
    " SELECT boards.id, custom_fields.id, %(organization)s FROM boards, custom_fields",
    "INSERT INTO tasks (organization_id, id, board_id, created_by_user_id, title, description, status, created_at,"
    f" updated_at) SELECT %(organization)s, {_TASK}, {_BOARD}, %(owner)s,"
    " 'Task ' || n, repeat('What is to be done. ', 5),"
    f" (ARRAY['inbox', 'in_progress', 'review', 'done'])[1 + place %% 4], {_MOMENT}, {_MOMENT} FROM {_TASKS}",
    # As the triggers would, which do not see these rows.
    "INSERT INTO task_counts (organization_id, board_id, id, status, tasks)"
    " SELECT organization_id, board_id, gen_random_uuid(), status, count(*) FROM tasks GROUP BY 1, 2, 4",
)
_DETAILS = (
    "INSERT INTO task_tags (task_id, tag_id, organization_id)"
    f" SELECT {_TASK}, {_ID(3, '(place + tag * 3) %% 10')}, %(organization)s"
    f" FROM {_TASKS}, generate_series(0, place %% 2) AS tag",
    "INSERT INTO task_dependencies (task_id, depends_on_task_id, organization_id)"
    f" SELECT {_TASK}, {_ID(2, 'n - %(boards)s::int')}, %(organization)s"
    f" FROM {_TASKS} WHERE n > %(boards)s::int AND place %% 2 = 0",
    "INSERT INTO custom_field_values (organization_id, task_id, custom_field_id, value)"
    f" SELECT %(organization)s, {_TASK}, {_ID(4, '(place + field) %% 4')}, to_json('value ' || n)"
    f" FROM {_TASKS}, generate_series(0, 1) AS field",
    "INSERT INTO activity_events (id, organization_id, event_type, message, user_id, board_id, task_id, created_at)"
    f" SELECT {_ID(5, 'n')}, %(organization)s, 'task.created', 'Task ' || n, %(owner)s, {_BOARD}, {_TASK}, {_MOMENT}"
    f" FROM {_TASKS} WHERE {_KEPT}",
    "INSERT INTO activity_events (id, organization_id, event_type, message, user_id, board_id, task_id, created_at)"
    f" SELECT {_ID(6, 'n')}, %(organization)s, 'task.status_changed', 'review → done', %(owner)s, {_BOARD}, {_TASK},"
    f" {_MOMENT} FROM {_TASKS} WHERE place %% 4 = 3 AND {_KEPT}",
)


def seed(libpq: str, size: Size) -> None:
    """Fills a database that is at head and empty."""
    values = {"organization": ORGANIZATION, "owner": OWNER, **size._asdict()}
    with psycopg.connect(libpq) as connection:
        # The rows are made to fit together: asking the foreign keys takes longer than writing them.
        connection.execute("SET session_replication_role = replica")
        for statement in _BASICS + (_DETAILS if size.details else ()):
            connection.execute(statement, values)
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _id(kind: int, number: int) -> UUID:
    return UUID(f"{KNOWN}{kind}-0000-7000-8000-{number:012x}")
