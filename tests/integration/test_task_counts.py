"""The database's own counts of tasks: at every moment what counting the tasks gives."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from app.models import TaskStatus
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.support.api import dashboard
from tests.support.database import holding, insert, query
from tests.support.migrator import downgrade, upgrade
from tests.support.startup_policy import start
from tests.support.waiting import PATIENCE

STATUSES = [str(status) for status in TaskStatus]
BEFORE, WITH_TRIGGERS, COUNTED = "9c86defda9aa", "81f6a3c0d2be", "c7e92b4f6a10"
FOLDS = 0.0625
_ACTUAL = "SELECT board_id, status, count(*) FROM tasks GROUP BY board_id, status"
_COUNTED = (
    "SELECT board_id, status, sum(tasks)::bigint FROM task_counts GROUP BY board_id, status HAVING sum(tasks) <> 0"
)
_WRONG = f"(({_ACTUAL}) EXCEPT ({_COUNTED})) UNION ALL (({_COUNTED}) EXCEPT ({_ACTUAL}))"
# The counts have the organization of the task's board, whatever the task says.
_TASK = (
    "INSERT INTO tasks (id, organization_id, board_id, title, status)"
    " VALUES (gen_random_uuid(), gen_random_uuid(), %s, 'Splice', %s)"
)


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Each statement by itself; none waits for a lock."""
    with psycopg.connect(normalize_database_url(url).libpq, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '2s'")
        yield connection


def fold_next(connection: psycopg.Connection, *, folds: bool = True) -> None:
    """Has the session's next change of a task fold the counts, or not."""
    for seed in range(1000):
        connection.execute("SELECT setseed(%s)", [seed / 1000])
        (drawn,) = connection.execute("SELECT random()").fetchone() or (1.0,)
        if (drawn < FOLDS) is folds:
            connection.execute("SELECT setseed(%s)", [seed / 1000])
            return
    raise AssertionError("no such seed")


def organized(url: str, boards: int) -> tuple[UUID, list[UUID]]:
    """A new organization with so many boards; their ids."""
    organization = insert(url, "organizations", name="Crew")
    board = {"organization_id": organization, "name": "b", "description": ""}
    return organization, [insert(url, "boards", **board, slug=f"b-{number}") for number in range(boards)]


def assert_exact(url: str) -> None:
    assert query(url, _WRONG) == []


def rows(url: str) -> int:
    return int(str(query(url, "SELECT count(*) FROM task_counts")[0][0]))


def _copy(connection: psycopg.Connection, board: UUID) -> None:
    with connection.cursor().copy("COPY tasks (id, organization_id, board_id, title, status) FROM STDIN") as copy:
        for number in range(50):
            copy.write_row((uuid4(), uuid4(), board, "Splice", STATUSES[number % 4]))


def _undone(connection: psycopg.Connection, board: UUID) -> None:
    """A transaction and, within one that stays, a savepoint."""
    for keeps in (False, True):
        with connection.transaction(force_rollback=not keeps):
            connection.execute(_TASK, [board, "review"])
            with connection.transaction(force_rollback=True):
                connection.execute("DELETE FROM tasks WHERE board_id = %s", [board])


_SOME = "(SELECT id FROM tasks WHERE board_id = %(board)s ORDER BY id LIMIT 3)"
CHANGES: dict[str, str | Callable[[psycopg.Connection, UUID], None]] = {
    "INSERT … SELECT": "INSERT INTO tasks (id, organization_id, board_id, title, status)"
    " SELECT gen_random_uuid(), boards.organization_id, boards.id, 'Splice', s"
    " FROM boards, unnest(ARRAY['inbox', 'done']) AS s, generate_series(1, 20)",
    "COPY": _copy,
    "a status": f"UPDATE tasks SET status = 'in_progress' WHERE id IN {_SOME}",
    "all statuses": "UPDATE tasks SET status = CASE status WHEN 'done' THEN 'inbox' ELSE 'done' END",
    "another column": "UPDATE tasks SET title = 'Reef'",
    "a move": f"UPDATE tasks SET board_id = (SELECT id FROM boards WHERE id <> %(board)s LIMIT 1) WHERE id IN {_SOME}",
    "a move and a status": "UPDATE tasks SET status = 'review', board_id = %(board)s WHERE status = 'inbox'",
    "ON CONFLICT": "INSERT INTO tasks (id, organization_id, board_id, title)"
    " (SELECT id, organization_id, board_id, 'x' FROM tasks LIMIT 5)"
    " UNION ALL SELECT gen_random_uuid(), gen_random_uuid(), %(board)s, 'x'"
    " ON CONFLICT (id) DO UPDATE SET status = 'inbox'",
    "some deleted": f"DELETE FROM tasks WHERE id IN {_SOME}",
    "undone": _undone,
    "a board deleted": "DELETE FROM boards WHERE id = %(board)s",
    "an organization deleted": "DELETE FROM organizations WHERE id IN"
    " (SELECT boards.organization_id FROM boards JOIN tasks ON board_id = boards.id LIMIT 1)",
    "a board made again": "WITH it AS (SELECT id FROM organizations LIMIT 1) INSERT INTO boards"
    " (id, organization_id, name, slug, description)"
    " SELECT gen_random_uuid(), it.id, 'b', 'again ' || random(), '' FROM it",
    "a task of it": "INSERT INTO tasks (id, organization_id, board_id, title)"
    " SELECT gen_random_uuid(), organization_id, id, 'x' FROM boards",
    "all gone": "TRUNCATE tasks CASCADE",
}


def test_every_kind_of_change_is_counted(database_url: str) -> None:
    with connected(database_url) as connection:
        for folds in (False, True):
            organized(database_url, 3)
            _, (board, *_) = organized(database_url, 3)
            for name, change in CHANGES.items():
                fold_next(connection, folds=folds)
                if callable(change):
                    change(connection, board)
                else:
                    assert connection.execute(change, {"board": board}).rowcount, name
                assert query(database_url, _WRONG) == [], name
    assert rows(database_url) == 0


def test_change_of_something_else_counts_nothing(database_url: str) -> None:
    _, (board,) = organized(database_url, 1)
    with connected(database_url) as connection:
        fold_next(connection, folds=False)
        connection.execute(_TASK, [board, "inbox"])
        fold_next(connection, folds=False)
        connection.execute("UPDATE tasks SET title = 'Reef', status = 'inbox'")
        connection.execute("DELETE FROM tasks WHERE title = 'Splice'")
    assert rows(database_url) == 1


def test_counts_are_folded_as_they_grow(database_url: str) -> None:
    """Also of a transaction with many changes, which folds once."""
    _, (board,) = organized(database_url, 1)
    with connected(database_url) as connection:
        connection.execute("SELECT setseed(0.5)")
        most = 0
        for number in range(400):
            connection.execute(_TASK, [board, STATUSES[number % 4]])
            most = max(most, rows(database_url)) if number % 20 == 0 else most
        assert most < 150
        with connection.transaction():
            for _ in range(2):
                fold_next(connection)
                connection.execute(_TASK, [board, "inbox"])
        assert rows(database_url) == len(STATUSES) + 1
    assert_exact(database_url)


def test_folds_at_once_wait_for_nobody_and_keep_the_sum(database_url: str) -> None:
    _, (board,) = organized(database_url, 1)

    def total(connection: psycopg.Connection) -> int:
        (found,) = connection.execute("SELECT coalesce(sum(tasks), 0)::bigint FROM task_counts").fetchone() or (-1,)
        return int(found)

    with (
        connected(database_url) as one,
        connected(database_url) as other,
        connected(database_url) as reader,
        connected(database_url) as steady,
    ):
        fold_next(one, folds=False)
        for status in STATUSES * 2:
            fold_next(one, folds=False)
            one.execute(_TASK, [board, status])
        steady.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert total(steady) == total(reader) == 8
        for connection, own in ((one, 9), (other, 9)):
            fold_next(connection)
            connection.execute("BEGIN")
            connection.execute(_TASK, [board, "inbox"])
            assert total(connection) == own
            assert total(reader) == total(steady) == 8
        # The second left alone what the first had folded.
        one.execute("COMMIT")
        assert (total(reader), total(other), total(steady)) == (9, 10, 8)
        other.execute("COMMIT")
        assert (total(reader), total(steady)) == (10, 8)
        assert rows(database_url) == len(STATUSES) + 1
        # Its view is older than the folds: it could not fold the same rows without an error.
        fold_next(steady)
        steady.execute(_TASK, [board, "done"])
        assert total(steady) == 9
        steady.execute("COMMIT")
        fold_next(reader)
        reader.execute(_TASK, [board, "done"])
        assert (total(reader), rows(database_url)) == (12, len(STATUSES))
    assert_exact(database_url)


def test_writers_at_once_are_all_counted(database_url: str) -> None:
    """Also where a board is deleted while its tasks are changed."""
    _, boards = organized(database_url, 2)
    barrier = Barrier(4, timeout=PATIENCE)
    mine = "(SELECT id FROM tasks WHERE title = %(title)s ORDER BY id LIMIT 1)"
    insert = (
        "INSERT INTO tasks (id, organization_id, board_id, title, status)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), %(board)s, %(title)s, %(status)s)"
    )
    steps = (
        insert,
        insert,
        f"UPDATE tasks SET status = %(status)s WHERE id = {mine}",
        f"DELETE FROM tasks WHERE id = {mine}",
    )

    def write(number: int) -> None:
        chosen = random.Random(number)
        with connected(database_url) as connection:
            connection.execute("SELECT setseed(%s)", [number / 10])
            for there in (boards, boards[:1]):
                barrier.wait()
                if number == 0 and len(there) == 1:
                    connection.execute("DELETE FROM boards WHERE id = %s", [boards[1]])
                for step in range(80):
                    values = {"board": chosen.choice(there), "status": chosen.choice(STATUSES), "title": str(number)}
                    connection.execute(steps[step % 4], values)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert_exact(database_url)
    assert query(database_url, "SELECT DISTINCT board_id FROM task_counts") == [(boards[0],)]


def test_change_of_a_task_waits_for_nobody_who_changes_its_board(database_url: str) -> None:
    """And what it counted goes with the board that is then deleted."""
    _, (board,) = organized(database_url, 1)
    with connected(database_url) as connection:
        connection.execute(_TASK, [board, "inbox"])
        connection.execute(_TASK, [board, "review"])
        with holding(database_url, "SELECT 1 FROM boards FOR UPDATE"):
            connection.execute("UPDATE tasks SET status = 'done' WHERE status = 'inbox'")
            connection.execute("DELETE FROM tasks WHERE status = 'review'")
        assert_exact(database_url)
        with ThreadPoolExecutor(1) as pool, holding(database_url, "UPDATE tasks SET status = 'review'") as wait:
            deleted = pool.submit(query, database_url, "DELETE FROM boards")
            wait()
        deleted.result(timeout=PATIENCE)
    assert rows(database_url) == 0


def test_role_that_may_write_tasks_alone_has_them_counted_all_the_same(
    database_url: str, administer: Callable[[str], None]
) -> None:
    """The real table is counted, even if the session has a temporary one of its name."""
    _, (board,) = organized(database_url, 1)
    role = f"writer_{uuid4().hex}"
    administer(f"CREATE ROLE {role}")
    try:
        query(database_url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON tasks, boards TO {role}")
        with connected(database_url) as connection:
            for name in ("task_counts", "boards"):
                connection.execute(f"CREATE TEMPORARY TABLE {name} (LIKE public.{name})")
            connection.execute(f"SET ROLE {role}")
            connection.execute("SET search_path = ''")
            fold_next(connection)
            connection.execute(_TASK.replace("tasks", "public.tasks"), [board, "inbox"])
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM public.task_counts")
        assert rows(database_url) == 1
    finally:
        query(database_url, f"DROP OWNED BY {role}")
        administer(f"DROP ROLE {role}")


def test_tasks_of_before_are_counted_once_while_others_are_written(empty_database_url: str) -> None:
    url, settings = empty_database_url, settings_for(empty_database_url)
    upgrade(settings, BEFORE)
    _, (board,) = organized(url, 1)
    task = f"INSERT INTO tasks (id, board_id, title, status) VALUES (gen_random_uuid(), '{board}', 'x', '{{}}')".format
    query(url, task("done"))
    query(url, task("inbox"))
    upgrade(settings, WITH_TRIGGERS)
    query(url, "UPDATE tasks SET status = 'review' WHERE status = 'inbox'")
    with holding(url, task("inbox")):
        upgrade(settings, COUNTED)
    assert_exact(url)
    kept = rows(url)
    downgrade(settings, WITH_TRIGGERS, accept_data_loss=True)
    query(url, "DELETE FROM tasks WHERE status = 'done'")
    upgrade(settings, COUNTED)
    assert_exact(url)
    assert rows(url) <= kept + 1


async def test_start_that_makes_the_missing_table_counts_what_is_there(database_url: str) -> None:
    _, (board,) = organized(database_url, 1)
    with connected(database_url) as connection:
        connection.execute(_TASK, [board, "review"])
        connection.execute("DROP TABLE task_counts")
        connection.execute("DROP TRIGGER count_added ON tasks")
        await start(database_url, auto_migrate=False)
        assert_exact(database_url)
        connection.execute(_TASK, [board, "done"])
    assert_exact(database_url)


async def test_dashboard_says_what_is_counted(client: httpx.AsyncClient, tasks_url: str, database_url: str) -> None:
    chosen = random.Random(7)
    ids: list[str] = []
    for _ in range(12):
        created = await client.post(tasks_url, json={"title": "Splice", "status": chosen.choice(STATUSES)})
        ids.append(created.json()["id"])
    for task in ids[:8]:
        await client.patch(f"{tasks_url}/{task}", json={"status": chosen.choice(STATUSES)})
    for task in ids[4:6]:
        assert (await client.delete(f"{tasks_url}/{task}")).status_code == 204
    assert_exact(database_url)
    found = dict(query(database_url, "SELECT status, count(*) FROM tasks GROUP BY status"))
    shown: dict[str, Any] = (await dashboard(client))["wip"]["primary"]["points"][-1]
    assert {status: shown[status] for status in STATUSES} == {status: found.get(status, 0) for status in STATUSES}
