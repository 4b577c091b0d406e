"""Clients that are made from the served document: each carries out something for real."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import httpx
import pytest

from tests.conftest import TOKEN
from tests.support.node import compile_strictly, new_package, run_node
from tests.support.processes import BIN, Server

CLIENTS = Path(__file__).with_name("clients")
# Client -> what it does, the generator's script, and the arguments with which that writes client/.
GENERATORS = {
    "openapi-typescript": (
        *("openapi_typescript.ts", "openapi-typescript/bin/cli.js"),
        *("openapi.json", "--default-non-nullable=false", "--output=client/api.d.ts"),
    ),
    "orval": ("orval.ts", "orval/dist/bin/orval.mjs"),
    "orval-8.3.0": ("orval.ts", "orval-8.3.0/dist/bin/orval.mjs"),
    "hey-api": ("hey_api.ts", "@hey-api/openapi-ts/bin/run.js", "--input=openapi.json", "--output=client"),
    "swagger-typescript-api": (
        *("swagger_typescript_api.ts", "swagger-typescript-api/dist/cli.mjs", "generate", "--module-name-first-tag"),
        *("--path=openapi.json", "--output=client", "--name=api.ts"),
    ),
}


@pytest.mark.parametrize("client", [*GENERATORS])
def test_typescript_client_compiles_strictly_and_runs(server: Server, client: str, tmp_path: Path) -> None:
    scenario, generator, *arguments = GENERATORS[client]
    packages = new_package(tmp_path)
    for name in (scenario, "orval.config.mjs"):
        shutil.copy(CLIENTS / name, tmp_path)
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{server.url}/schema/openapi.json").content)
    run_node(packages / generator, *arguments, cwd=tmp_path, BASE_URL=server.url)
    script = compile_strictly(tmp_path / scenario, tmp_path / "client")
    assert run_node(script, cwd=tmp_path, BASE_URL=server.url, TOKEN=TOKEN) == "done\n"


@pytest.fixture
def python_client(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the package that openapi-python-client made, without a warning; all its modules are imported."""
    package = "plimsoll_client"
    source, target = f"--url={server.url}/schema/openapi.json", f"--output-path={tmp_path / package}"
    command = [str(BIN / "openapi-python-client"), "generate", source, target, "--meta=none", "--fail-on-warning"]
    # It formats what it makes with the ruff that it finds.
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    for module in walk_packages([str(tmp_path / package)], f"{package}."):
        import_module(module.name)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def test_python_client_imports_and_runs(server: Server, python_client: str) -> None:
    package, models = import_module(python_client), import_module(f"{python_client}.models")

    def call(client: Any, operation: str, *arguments: Any, **named: Any) -> Any:
        return import_module(f"{python_client}.api.{operation}").sync_detailed(*arguments, client=client, **named)

    with package.AuthenticatedClient(base_url=server.url, token=TOKEN) as person:
        described = models.BoardCreate(name="Python", slug="python", description="Made by a generated client")
        board = call(person, "boards.create_board", body=described, idempotency_key="python")
        assert board.status_code == 201
        board_id = board.parsed.id
        bosun = models.AgentCreate(name="Bosun", board_id=board_id)
        token = call(person, "agents.create_agent", body=bosun).parsed.token
        with package.Client(base_url=server.url, headers={"X-Agent-Token": token}) as agent:
            urgent = models.TaskCreate(title="Splice", priority=models.TaskPriority.HIGH)
            made = call(agent, "agent.agent_create_task", board_id, body=urgent)
        task = made.parsed
        assert (made.status_code, task.status, task.due_at) == (201, models.TaskStatus.INBOX, None)
        read = call(person, "tasks.get_task", board_id, task.id)
        assert read.parsed == task
        tag = read.headers["etag"]
        assert call(person, "tasks.get_task", board_id, task.id, if_none_match=tag).status_code == 304
        changes = models.TaskUpdate(status=models.TaskStatus.IN_PROGRESS)
        changed, late = (
            call(person, "tasks.update_task", board_id, task.id, body=changes, if_match=tag).parsed for _ in range(2)
        )
        assert changed.status == models.TaskStatus.IN_PROGRESS
        assert isinstance(late, models.ProblemDetails)
        assert late.code == "precondition_failed"
        waiting = models.TaskCreate(title="Sail", depends_on_task_ids=[task.id])
        sail = call(person, "tasks.create_task", board_id, body=waiting).parsed
        refused = call(person, "tasks.update_task", board_id, sail.id, body=changes).parsed
        assert isinstance(refused.detail, models.BlockedTaskDetail)
        assert refused.detail.blocked_by_task_ids == [task.id]
        page = call(person, "tasks.list_tasks", board_id, status="in_progress", limit=10).parsed
        assert isinstance(page, models.TaskPage)
        assert [one.id for one in page.items] == [task.id]
        pushes = models.BoardWebhookCreate(description="Pushes")
        webhook = call(person, "board_webhooks.create_webhook", board_id, body=pushes).parsed
        push = import_module(f"{python_client}.types").File(payload=BytesIO(b'{"ref": "main"}'))
        assert call(person, "board_webhooks.receive_webhook", board_id, webhook.id, body=push).parsed.ok is True
        assert call(person, "boards.delete_board", board_id).status_code == 204
