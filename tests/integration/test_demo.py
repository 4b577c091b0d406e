"""`litestar demo seed`: what it makes is what the API would have made, and it is there as a whole or not at all."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from litestar import Litestar
from sqlalchemy import make_url

from app.cli.demo import words
from app.cli.demo.commands import demo
from app.core.custom_field_values import normalize_value
from app.models import TaskStatus
from tests.conftest import client_of, settings_for
from tests.migrations.conftest import REVISIONS
from tests.support.database import by_driver, holding, insert, query
from tests.support.migrator import upgrade
from tests.support.organization_columns import astray
from tests.support.processes import ROOT, environment, run, shown_on_a_terminal
from tests.support.stopping import running
from tests.support.waiting import PATIENCE, wait_until

SEED = ("litestar", "demo", "seed")
_MOVES = """
    moves AS (
        SELECT task_id, agent_id, created_at, split_part(message, ' → ', 1) AS before,
            split_part(message, ' → ', 2) AS after,
            lag(split_part(message, ' → ', 2), 1, 'inbox') OVER past AS at_last, lead(id) OVER past AS next
        FROM activity_events WHERE event_type = 'task.status_changed'
        WINDOW past AS (PARTITION BY task_id ORDER BY created_at, id))
"""
# What must not be -> a query that finds it.
BROKEN = {
    "a move from where the task was not": f"WITH {_MOVES} SELECT * FROM moves WHERE before <> at_last",
    "a status that no event led to": f"""
        WITH {_MOVES} SELECT * FROM tasks LEFT JOIN moves ON task_id = id AND next IS NULL
        WHERE status <> coalesce(after, 'inbox') OR updated_at <> coalesce(moves.created_at, tasks.created_at)""",
    "a start that is not the last one": f"""
        WITH {_MOVES}, starts AS (
            SELECT task_id, max(created_at) AS at FROM moves WHERE after = 'in_progress' GROUP BY task_id)
        SELECT * FROM tasks LEFT JOIN starts ON task_id = id WHERE in_progress_at IS DISTINCT FROM at""",
    "a task without the event of its making": """
        SELECT * FROM tasks LEFT JOIN activity_events e ON e.task_id = tasks.id AND event_type = 'task.created'
        WHERE e.created_at IS DISTINCT FROM tasks.created_at OR e.board_id <> tasks.board_id OR message <> title
            OR user_id IS DISTINCT FROM created_by_user_id OR (user_id IS NULL) = (agent_id IS NULL)""",
    "a dependency on another board, or on a later task": """
        SELECT * FROM task_dependencies JOIN tasks t ON t.id = task_id JOIN tasks d ON d.id = depends_on_task_id
        WHERE t.board_id <> d.board_id OR d.created_at >= t.created_at""",
    "a move of a task that was blocked": f"""
        WITH {_MOVES} SELECT * FROM task_dependencies d JOIN moves m USING (task_id) WHERE NOT EXISTS (
            SELECT FROM moves e WHERE e.task_id = depends_on_task_id AND e.after = 'done'
            AND e.created_at <= m.created_at)""",
    "a move by an agent that does not lead": f"""
        WITH {_MOVES} SELECT * FROM moves JOIN tasks t ON t.id = task_id JOIN boards b ON b.id = board_id
        JOIN agents a ON a.id = agent_id WHERE only_lead_can_change_status AND NOT is_board_lead""",
    "done without review": f"""
        WITH {_MOVES} SELECT * FROM moves JOIN tasks t ON t.id = task_id JOIN boards b ON b.id = board_id
        WHERE require_review_before_done AND after = 'done' AND before <> 'review'""",
    "review without a comment": f"""
        WITH {_MOVES} SELECT * FROM moves m JOIN tasks t ON t.id = task_id JOIN boards b ON b.id = board_id
        WHERE comment_required_for_review AND after = 'review' AND NOT EXISTS (
            SELECT FROM task_comments c WHERE c.task_id = m.task_id AND c.created_at <= m.created_at)""",
    "done without an approval": f"""
        WITH {_MOVES} SELECT * FROM moves m JOIN tasks t ON t.id = task_id JOIN boards b ON b.id = board_id
        WHERE require_approval_for_done AND after = 'done' AND NOT EXISTS (
            SELECT FROM approvals a JOIN approval_tasks n ON n.approval_id = a.id
            WHERE n.task_id = m.task_id AND a.status = 'approved' AND resolved_at <= m.created_at)""",
    "a move while an approval was pending": f"""
        WITH {_MOVES} SELECT * FROM moves m JOIN approval_tasks USING (task_id) JOIN approvals a ON a.id = approval_id
        JOIN boards b ON b.id = a.board_id WHERE block_status_changes_with_pending_approval
            AND m.created_at > a.created_at AND m.created_at < coalesce(resolved_at, now())""",
    "an approval of another board's task, or one whose answer the task does not know": """
        SELECT * FROM approvals a LEFT JOIN approval_tasks n ON n.approval_id = a.id LEFT JOIN tasks t ON t.id = task_id
        WHERE t.board_id IS DISTINCT FROM a.board_id OR is_pending <> (a.status = 'pending')""",
    "an approval whose asking no event tells of": """
        SELECT * FROM approvals a LEFT JOIN activity_events e ON subject_id = a.id AND event_type = 'approval.created'
        WHERE e.created_at IS DISTINCT FROM a.created_at OR e.agent_id IS DISTINCT FROM a.agent_id""",
    "an approval whose answer no event tells of": """
        SELECT * FROM approvals a LEFT JOIN activity_events e
        ON subject_id = a.id AND event_type IN ('approval.approved', 'approval.rejected')
        WHERE e.created_at IS DISTINCT FROM resolved_at
            OR coalesce(event_type, 'approval.pending') <> 'approval.' || status""",
    "a comment that its event does not tell of": """
        SELECT * FROM task_comments c FULL JOIN (SELECT * FROM activity_events WHERE event_type = 'task.commented') e
        ON subject_id = c.id WHERE (c.task_id, c.message, c.created_at) IS DISTINCT FROM
            (e.task_id, e.message, e.created_at) OR author_user_id IS DISTINCT FROM user_id
            OR author_agent_id IS DISTINCT FROM agent_id OR (user_id IS NULL) = (agent_id IS NULL)""",
    "a payload that its event does not tell of": """
        SELECT * FROM board_webhook_payloads p FULL JOIN
            (SELECT * FROM activity_events WHERE event_type = 'webhook.received') e ON subject_id = p.id
        WHERE e.created_at IS DISTINCT FROM p.created_at""",
    "an agent elsewhere than on its task's board": """
        SELECT * FROM tasks t JOIN agents a ON a.id = assigned_agent_id WHERE a.board_id <> t.board_id""",
    "a board with too many agents, or without one that leads": """
        SELECT FROM boards b WHERE (SELECT count(*) FROM agents WHERE board_id = b.id) NOT BETWEEN 1 AND max_agents
            OR NOT EXISTS (SELECT FROM agents WHERE board_id = b.id AND is_board_lead)""",
    "somebody at work on a board where he may not write": """
        SELECT FROM activity_events e JOIN boards b ON b.id = e.board_id
        JOIN organization_members m ON m.user_id = e.user_id AND m.organization_id = e.organization_id
        WHERE role = 'member' AND NOT all_boards_write AND NOT EXISTS (
            SELECT FROM board_access WHERE organization_member_id = m.id AND board_id = b.id AND can_write)""",
    "a task without a required field": """
        SELECT FROM tasks t JOIN custom_field_boards USING (board_id) JOIN custom_fields f ON f.id = custom_field_id
        WHERE required AND NOT EXISTS (
            SELECT FROM custom_field_values WHERE task_id = t.id AND custom_field_id = f.id)""",
    "an event of the future": "SELECT FROM activity_events WHERE created_at > now()",
}
# Tables whose ids have to sort as the rows came to be.
TIMED = ("boards", "agents", "tasks", "task_comments", "approvals", "activity_events")
_MILLISECOND = "('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint"


Seed = Callable[..., Result]


@pytest.fixture
def seed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Seed:
    """Runs `litestar demo seed` within this process, with these options and other variables than usual."""

    def invoke(*arguments: str, **variables: str) -> Result:
        for name, value in environment(**{"DATABASE_URL": database_url, **variables}).items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(demo, ("seed", *arguments))

    return invoke


def made_by(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def made(seed: Seed, long: bool) -> dict[str, Any]:
    tasks, boards = ("100000", "100") if long else ("700", "10")
    return made_by(seed("--json", "--tasks", tasks, "--boards", boards))


async def test_organization_is_as_the_api_would_have_made_it(
    made: dict[str, Any], app: Litestar, database_url: str
) -> None:
    rows = made["rows"]
    counts = {table: query(database_url, f"SELECT count(*) FROM {table}")[0][0] for table in rows}
    # The owner was made before, with an organization of his own.
    besides = {table: rows[table] + 1 for table in ("organizations", "users", "organization_members")}
    assert counts == rows | besides
    assert 0 not in counts.values()
    assert len(made["agents"]) == counts["agents"]
    for what, statement in BROKEN.items():
        # Without a LIMIT, by which the server would plan for the many rows that it believes it will find.
        assert query(database_url, f"SELECT count(*) FROM ({statement}) AS broken") == [(0,)], what
    assert astray(database_url) == set()
    for table in TIMED:
        late = f"abs({_MILLISECOND} - extract(epoch FROM created_at) * 1000) > 1"
        assert query(database_url, f"SELECT id FROM {table} WHERE {late} LIMIT 1") == [], table
    kinds = "SELECT DISTINCT role, all_boards_read, all_boards_write FROM organization_members"
    assert len(query(database_url, kinds)) == 5
    shares = dict(query(database_url, "SELECT status, count(*) FROM tasks GROUP BY status"))
    assert 0.5 < shares["done"] / rows["tasks"] < 0.75
    assert min(shares[status] for status in TaskStatus) > 0.02 * rows["tasks"]
    await check_what_its_owner_sees(app, made)


async def check_what_its_owner_sees(app: Litestar, made: dict[str, Any]) -> None:
    async with client_of(app) as client:
        assert (await client.get("/api/v1/organizations/me")).json()["id"] == made["organization_id"]
        assert (await client.get("/api/v1/users/me")).json()["id"] == made["owner_id"]
        boards = (await client.get("/api/v1/boards?limit=200")).json()
        assert boards["total"] == made["rows"]["boards"]
        metrics = (await client.get("/api/v1/metrics/dashboard?range_key=1y")).json()
        assert min(min(point[status] for status in TaskStatus) for point in metrics["wip"]["primary"]["points"]) >= 0
        assert metrics["kpis"]["active_agents"] > 0
        feed = (await client.get("/api/v1/activity/task-comments")).json()
        assert feed["total"] == made["rows"]["task_comments"]
        # Chance decides which words a board's tasks have; among those of all boards there are all.
        for board in [board["id"] for board in boards["items"]]:
            found = (await client.get(f"/api/v1/boards/{board}/tasks?search=invoice&limit=1")).json()
            if found["total"]:
                break
        assert found["total"] > 0
        own = {"custom_field_values": found["items"][0]["custom_field_values"]}
        assert (await client.patch(f"/api/v1/boards/{board}/tasks/{found['items'][0]['id']}", json=own)).is_success
        snapshot = (await client.get(f"/api/v1/boards/{board}/snapshot")).json()
        assert snapshot["chat_messages"]
    async with client_of(app, made["agents"][0]["token"]) as agent:
        assert (await agent.get("/api/v1/agent/healthz")).json()["agent_id"] == made["agents"][0]["agent_id"]


def test_values_of_custom_fields_are_in_the_form_in_which_the_api_keeps_them() -> None:
    for key, (_, kind, _, values) in words.FIELDS.items():
        for value in map(json.loads, values):
            assert normalize_value(kind, None, value) == value, key


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_same_seed_makes_the_same_content_beside_the_former(seed: Seed, database_url: str, driver: str) -> None:
    url = by_driver(database_url, driver)
    insert(database_url, "users", subject="x", email="ahab@example.org")
    arguments = ("--json", "--tasks", "40", "--boards", "2", "--seed", "7", "--owner", "Ahab@example.org")
    results = [seed(*arguments, "--organization", name, DATABASE_URL=url) for name in ("Pequod", "Rachel")]
    made = [made_by(result) for result in results]
    of_one = """
        SELECT title, t.description, status, priority, b.name FROM tasks t JOIN boards b ON b.id = board_id
        WHERE b.organization_id = :id ORDER BY t.created_at, 1, 2"""
    contents = [query(database_url, of_one, id=one["organization_id"]) for one in made]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 40
    assert made[0]["rows"] == made[1]["rows"]
    assert not {agent["token"] for agent in made[0]["agents"]} & {agent["token"] for agent in made[1]["agents"]}
    active = "SELECT o.name FROM users JOIN organizations o ON o.id = active_organization_id WHERE subject = 'x'"
    assert query(database_url, active) == [("Rachel",)]


@pytest.mark.own_database
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_run_that_is_stopped_leaves_nothing(database_url: str, tmp_path: Path, how: signal.Signals) -> None:
    env = environment(DATABASE_URL=database_url)
    # Comments come after tasks, which are written by then.
    with (
        holding(database_url, "LOCK TABLE task_comments IN SHARE MODE") as wait,
        running((*SEED, "--tasks", "200"), env, ROOT, tmp_path / "log") as process,
    ):
        wait()
        os.kill(process.pid, how)
        assert process.wait(timeout=PATIENCE) == (-how if how == signal.SIGKILL else 128 + how)
    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'plimsoll'"
    wait_until(lambda: not query(database_url, others), "the server has ended the session")
    for table in ("tasks", "boards", "activity_events"):
        assert query(database_url, f"SELECT id FROM {table}") == [], table
    assert query(database_url, "SELECT name FROM organizations") == [("Personal",)]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--tasks", "-1"), 2, "-1 is not in the range"),
        (("--boards", "0"), 2, "0 is not in the range"),
        (("--organization", " "), 2, "It is not 1 to 200 printable characters"),
        (("--owner", "nobody"), 1, "No user has the id, subject or e-mail address nobody."),
    ],
)
def test_refusal_is_one_message_and_makes_nothing(
    seed: Seed, database_url: str, arguments: tuple[str, ...], code: int, told: str
) -> None:
    result = seed(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in " ".join(result.stderr.replace("│", "").split())
    assert query(database_url, "SELECT id FROM organizations") == []


def test_schema_that_is_not_at_head_is_left_alone(seed: Seed, empty_database_url: str) -> None:
    upgrade(settings_for(empty_database_url), REVISIONS[-2])
    result = seed(DATABASE_URL=empty_database_url)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "run `litestar database upgrade` first" in result.stderr
    assert query(empty_database_url, "SELECT id FROM users") == []


def test_production_is_asked_for_and_a_no_is_no_success(seed: Seed, database_url: str) -> None:
    small = ("--tasks", "5", "--boards", "1")
    refused = seed(*small, ENVIRONMENT="production")
    assert refused.exit_code == 2
    assert "There is no terminal to ask on: add --no-prompt" in refused.stderr
    person, terminal = os.openpty()
    os.write(person, b"n\n")
    env = environment(DATABASE_URL=database_url, ENVIRONMENT="production")
    declined = run(*SEED, *small, env=env, stdin=terminal)
    os.close(person)
    os.close(terminal)
    assert declined.returncode == 1
    assert f"/{make_url(database_url).database} (ENVIRONMENT=production) with" in declined.stderr
    assert query(database_url, "SELECT id FROM organizations") == []
    assert seed(*small, "--no-prompt", ENVIRONMENT="production").exit_code == 0
    assert query(database_url, "SELECT count(*) FROM tasks") == [(5,)]


def test_terminal_shows_a_bar_what_was_made_and_a_token_that_is_good(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url)
    shown = shown_on_a_terminal(*SEED, "--tasks", "20", "--boards", "2", env=env)
    assert "20/20" in shown
    assert "Made Meridian Freight" in shown
    token = next(word for word in shown.split() if word.startswith("pla_"))
    held = "SELECT name FROM agents WHERE token_hash = sha256(:token)"
    assert query(database_url, held, token=token.encode()) == [("Scout",)]
