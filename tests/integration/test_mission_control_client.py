"""A client that is generated from the documented backend's document does what that backend's front end does."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.conftest import TOKEN
from tests.support.documented_backend import Operation, operations, original_document
from tests.support.furnished import People
from tests.support.node import compile_strictly, new_package, run_node
from tests.support.processes import Server, environment, serving

CLIENTS = Path(__file__).with_name("clients")
PROGRAM = "mission_control.ts"
STREAMED = {
    "ActivityEventRead",
    "ActivityTaskCommentFeedItemRead",
    "AgentRead",
    "ApprovalRead",
    "BoardGroupMemoryRead",
    "BoardMemoryRead",
    "TaskCommentRead",
    "TaskRead",
}
Json = dict[str, Any]


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    env = environment(DATABASE_URL=database_url, API_COMPATIBILITY="mission-control")
    with serving(env, tmp_path / "log") as running:
        running.wait_until_ready()
        yield running


def operation_of(answer: Json) -> Operation:
    """Return the operation that was asked. Of several, the one with the fewest parameters wins, as in a router."""
    asked = [
        operation
        for operation in operations(original_document()).values()
        if operation.method.upper() == answer["method"]
        and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", operation.path), answer["path"])
    ]
    return min(asked, key=lambda operation: operation.path.count("{"))


def problems(schema: Json, value: object) -> list[str]:
    """Return what the value has that the schema of the document does not allow."""
    whole = {**schema, "components": original_document()["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [str(error) for error in validator.iter_errors(value)]


def problems_of_answer(answer: Json) -> list[str]:
    operation, status = operation_of(answer), str(answer["status"])
    if status not in operation.described["responses"]:
        return [f"{operation.name} answers {status}"]
    found = problems(operation.answer(status) or {}, answer["body"])
    return [f"{operation.name} answers {status}: {problem}" for problem in found]


def carry_out(server: Server, directory: Path, **variables: str) -> Json:
    """Generate the client, compile the program with it, run it, and return what was answered."""
    packages = new_package(directory)
    for source in CLIENTS.glob("mission_control*"):
        shutil.copy(source, directory)
    (directory / "openapi.json").write_text(json.dumps(original_document()))
    orval = packages / "orval-8.3.0" / "dist" / "bin" / "orval.mjs"
    run_node(orval, "--config", "mission_control.config.mjs", cwd=directory, BASE_URL=server.url)
    script = compile_strictly(directory / PROGRAM, directory / "client")
    assert run_node(script, cwd=directory, **variables) == "done\n"
    kept: Json = json.loads((directory / "answers.json").read_text())
    return kept


def test_client_of_the_documented_backend_is_answered_as_its_document_says(
    server: Server, database_url: str, tmp_path: Path
) -> None:
    documented = operations(original_document())
    people = People(database_url)
    kept = carry_out(server, tmp_path, TOKEN=TOKEN, OTHER_TOKEN=people.token(people.user()).secret)
    answers, streamed = kept["answers"], kept["streamed"]
    assert len(answers) >= 64
    (refused,) = (answer for answer in answers if answer["status"] == 501)
    assert refused["body"]["code"] == "gateway_needed"
    wrong = [problem for answer in answers if answer is not refused for problem in problems_of_answer(answer)]
    for part in streamed:
        wrong += problems({"$ref": f"#/components/schemas/{part['shape']}"}, part["value"])
    assert wrong == []
    served = operations(httpx.get(f"{server.url}/schema/openapi.json").json())
    assert documented.keys() & served.keys() == {
        operation_of(answer).name for answer in answers if answer is not refused
    }
    assert {part["shape"] for part in streamed} == STREAMED
