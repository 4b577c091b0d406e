"""The story of the tour, typed word for word into a shell beside a server."""

import json
import re
import subprocess
from pathlib import Path

from tests.support.processes import ROOT, environment, serving
from tests.support.waiting import PATIENCE

_MARK = "-- end of block --"


def blocks_of_the_story() -> list[str]:
    """Return the commands that the page shows."""
    page = (ROOT / "migrations" / "docs" / "tour.md").read_text()
    return re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def test_story_goes_as_it_is_told(database_url: str, tmp_path: Path) -> None:
    env = environment(
        ENVIRONMENT="dev", LOCAL_AUTH_TOKEN=None, DATABASE_URL=database_url, LITESTAR_APP="app.asgi:create_app"
    )
    script = "".join(f"{block}echo '{_MARK}'\n" for block in blocks_of_the_story())
    with serving(env, tmp_path / "log", cwd=tmp_path) as server:
        server.wait_until_ready()
        typed = subprocess.run(
            ["bash", "-eu"],
            input=script,
            env={**env, "API": f"{server.url}/api/v1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (typed.returncode, typed.stderr) == (0, "")
    _, made, work, end, webhook, feed, _ = typed.stdout.split(f"{_MARK}\n")
    assert made == ""
    inbox, begun, refused = map(json.loads, work.splitlines())
    assert [task["title"] for task in inbox["items"]] == ["Load the barrels"]
    assert begun["status"] == "in_progress"
    assert (refused["status"], refused["code"]) == (409, "approval_required")
    approved, done = map(json.loads, end.splitlines())
    assert approved["status"] == "approved"
    assert approved["task_ids"] == [done["id"]]
    assert (done["status"], done["id"]) == ("done", begun["id"])
    assert json.loads(webhook)["ok"] is True
    events = [line.split(" ", 1)[1] for line in feed.splitlines()]
    assert events == [
        "webhook.received - Harbour office",
        "webhook.created - Harbour office",
        "task.status_changed - in_progress → done",
        "approval.approved - stow_cargo",
        "approval.created - stow_cargo",
        "task.status_changed - inbox → in_progress",
        "task.comment - On it.",
        "agent.created - Bosun",
        "task.created - Load the barrels",
        "board.created - Voyage",
    ]
