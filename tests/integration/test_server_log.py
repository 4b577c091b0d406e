"""What a server writes while it serves: its own lines and uvicorn's by one way, in one form."""

import json
from pathlib import Path

import httpx
import pytest

from tests.support.processes import environment, serving
from tests.support.waiting import PATIENCE


@pytest.mark.parametrize("asked", [True, False])
def test_every_line_is_json_outside_dev_and_a_request_has_one_where_that_is_asked_for(
    database_url: str, tmp_path: Path, asked: bool
) -> None:
    env = environment(DATABASE_URL=database_url, ENVIRONMENT="production", LOG_REQUESTS=str(asked).lower())
    with serving(env, tmp_path / "log") as server:
        server.wait_until_ready()
        headers = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
        httpx.get(f"{server.url}/health?key=open-sesame", headers=headers, trust_env=False)
        server.process.terminate()
        server.process.wait(timeout=PATIENCE)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert any("Uvicorn running" in line["event"] for line in lines)
    requests = [line for line in lines if line["logger"] == "uvicorn.access"]
    of_requests = [line["event"] for line in requests]
    assert bool(of_requests) is asked
    assert any("GET /health" in event for event in of_requests) is asked
    assert not any("open-sesame" in event for event in of_requests)
    # The client's trace is there, although this server traces nothing.
    traces = {line.get("trace_id") for line in requests if "GET /health" in line["event"]}
    assert traces == ({"ab" * 16} if asked else set())
