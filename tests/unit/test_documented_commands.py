"""The commands in the documentation, with their options."""

import re
from collections import defaultdict

import click
import pytest

from app.cli.plugin import CommandGroup
from tests.support.processes import ROOT

_COMMAND = re.compile(r"litestar (database|users|demo|import) ([a-z][a-z-]*)([^\n`#|;&]*)")


def documented_commands() -> dict[tuple[str, str], set[str]]:
    """The options with which each command is shown on any page."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for page in (ROOT / "README.md", *(ROOT / "migrations").rglob("*.md"), ROOT / "migrations/docs/alerts.yml"):
        for group, command, rest in _COMMAND.findall(page.read_text()):
            found[group, command].update(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest))
    return found


COMMANDS = documented_commands()


@pytest.mark.parametrize(("group", "command"), COMMANDS, ids=[" ".join(names) for names in COMMANDS])
def test_documented_command_has_the_options(group: str, command: str) -> None:
    cli = click.Group()
    CommandGroup(group).on_cli_init(cli)
    commands = cli.commands[group]
    assert isinstance(commands, click.Group)
    found = commands.get_command(click.Context(commands), command)
    assert found, f"litestar {group} has no {command}"
    assert COMMANDS[group, command] <= {name for option in found.params for name in option.opts}
