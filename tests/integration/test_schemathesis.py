"""The document against the server, by schemathesis: whatever is sent, the answer is one that the document knows."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import TOKEN
from tests.integration.conftest import Staff
from tests.support.furnished import ids_for_paths
from tests.support.processes import BIN, environment, serving
from tests.support.waiting import PATIENCE

HOOKS = Path(__file__).parents[1] / "support" / "schemathesis_hooks.py"
# After these nothing is there, or another organization is the active one: they come last.
LAST = ("create_organization", "delete_my_organization", "delete_me")
# They take what others need: theirs are a second set of ids, and for the board a third.
TAKING = ("renew_agent_token", "revoke_token", "update_member", "replace_member_access", "update_board")
STREAMS = "/stream$"


def authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def tokens_of(client: httpx.AsyncClient, ids: dict[str, str]) -> dict[str, dict[str, str]]:
    """Kind -> headers, but for the shared token's."""
    made = {
        scope: (await client.post("/api/v1/users/me/tokens", json={"name": scope, "scope": scope})).json()["token"]
        for scope in ("read", "write")
    }
    agent = (await client.post("/api/v1/agents", json={"name": "Tester", "board_id": ids["board_id"]})).json()
    return {**{scope: authorization(token) for scope, token in made.items()}, "agent": authorization(agent["token"])}


def table(name: str, values: dict[str, Any]) -> str:
    return "\n".join([name, *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items()), ""])


def configuration(url: str) -> str:
    """Return a configuration that makes the same cases at every run."""
    return "\n".join(
        [
            table(
                "",
                {"seed": 1, "hooks": str(HOOKS), "base-url": url, "max-stream-events": 1, "request-timeout": PATIENCE},
            ),
            table("[auth.openapi.bearer]", {"bearer": TOKEN}),
            # U+0000 is refused everywhere; JSON schema could say so only by a pattern on every text. It is sent by
            # test_api_hostile_input.py.
            table("[generation]", {"deterministic": True, "allow-x00": False, "no-shrink": True}),
            # Nothing is cached in the checkout.
            table("[cache]", {"enabled": False}),
            # What is wrong may be refused for another reason first, such as 412 or 429.
            table("[checks.negative_data_rejection]", {"expected-statuses": ["4xx"]}),
        ]
    )


def on(sets: list[dict[str, str]]) -> str:
    """Has everything called on what there is: ids of the server's own making cannot be guessed."""
    first, second, third = ({f"path.{name}": value for name, value in ids.items()} for ids in sets)
    return "\n".join(
        [
            table("[parameters]", first),
            # Streams go on for ever: each of that board sends what happened since then, and is left after one event.
            operations(
                {"include-path-regex": STREAMS},
                {**first, "query.board_id": sets[0]["board_id"], "query.since": "2026-01-01T00:00:00Z"},
            ),
            table("[operations.generation]", {"max-examples": 1}),
            operations({"include-method": "DELETE"}, second),
            operations({"include-operation-id": list(TAKING)}, second),
            operations({"include-operation-id": "delete_board"}, third),
        ]
    )


def operations(which: dict[str, Any], parameters: dict[str, Any]) -> str:
    return f"{table('[[operations]]', which)}{table('[operations.parameters]', parameters)}"


async def test_every_operation_answers_as_the_document_says_with_every_kind_of_token(
    database_url: str, tmp_path: Path, long: bool
) -> None:
    # Which operations, in which phases, how often each or, of scenarios, how many; on what there is, or on what they
    # make and link to.
    phases, often = ("examples,coverage,fuzzing", 30) if long else ("fuzzing", 2)
    runs = [
        ("exclude", phases, often, True),
        ("exclude", "stateful", 12 * often, False),
        ("include", phases, often, True),
    ]
    with serving(environment(DATABASE_URL=database_url, LOG_LEVEL="ERROR"), tmp_path / "log") as server:
        server.wait_until_ready()
        async with httpx.AsyncClient(base_url=server.url, headers=authorization(TOKEN)) as client:
            staff = Staff(database_url, (await client.get("/api/v1/users/me")).json())
            sets = [await ids_for_paths(client, staff, name) for name in ("fore", "main", "mizzen")]
            others = await tokens_of(client, sets[0])
        config = tmp_path / "schemathesis.toml"
        for which, phases, examples, on_sets in runs:
            config.write_text(configuration(server.url) + (on(sets) if on_sets else ""))
            command = [
                str(BIN / "schemathesis"),
                f"--config-file={config}",
                "run",
                f"{server.url}/schema/openapi.json",
                f"--phases={phases}",
                f"--max-examples={examples}",
                "--continue-on-failure",
                *(f"--{which}-operation-id={name}" for name in LAST),
                # On what a scenario has made a stream may have nothing to send.
                *([] if on_sets else [f"--exclude-path-regex={STREAMS}"]),
            ]
            told = {**os.environ, "OTHER_TOKENS": json.dumps(others), "NO_COLOR": "1"}
            done = subprocess.run(
                command, env=told, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=3000
            )
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert "unexpected error" not in server.log
