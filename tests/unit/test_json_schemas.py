"""The published JSON Schemas of what the engine's commands print with `--json`."""

import json
import re

import jsonschema_rs
import pytest
import rich_click as click
from click.testing import CliRunner

from app.migrator.cli.group import COMMANDS, MigratorGroup
from tests.support.json_schemas import FILES, REWRITE, SHAPES, schema_of


@pytest.fixture(scope="module")
def group() -> click.Group:
    return MigratorGroup(name="database")


def test_files_are_those_of_the_present_shapes() -> None:
    stale = [name for name in SHAPES if (FILES / f"{name}.json").read_text() != schema_of(name)]
    assert stale == [], f"what these commands print has changed: {REWRITE}"
    assert {file.stem for file in FILES.glob("*")} == set(SHAPES)


def test_every_command_that_prints_json_has_a_schema(group: click.Group) -> None:
    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in COMMANDS}
    options = {name: {option.name for option in found.params} for name, found in commands.items() if found}
    assert {name for name, known in options.items() if "as_json" in known} == set(SHAPES)


@pytest.mark.parametrize("command", SHAPES)
def test_command_prints_its_schema_and_does_nothing_else(command: str, group: click.Group) -> None:
    printed = CliRunner().invoke(group, [command, "--json-schema"])
    assert printed.exit_code == 0, printed.output
    assert printed.stdout == (FILES / f"{command}.json").read_text()
    schema = json.loads(printed.stdout)
    jsonschema_rs.meta.validate(schema)
    assert schema["title"] == f"{command} --json"


def test_every_time_and_number_says_what_it_is() -> None:
    """A number that counts neither rows, bytes nor seconds says so by its name."""
    named = {"line", "file_line", "retries", "rows_per_second", "format", "partitions"}
    for name in SHAPES:
        for shape in json.loads(schema_of(name))["$defs"].values():
            for field, schema in shape.get("properties", {}).items():
                for form in schema.get("anyOf", [schema]):
                    if form.get("type") in {"integer", "number"}:
                        assert field in named or form.get("description"), (name, field)
                    # `refused_at` is a revision.
                    if re.search("(?<!refused)_(at|from)$", field) and form.get("type") == "string":
                        assert form.get("format") == "date-time", (name, field)
