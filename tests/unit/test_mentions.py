"""Whom a comment speaks to."""

import pytest

from app.models import Agent
from app.services.mentions import mentioned

AGENTS = (Agent(name="Bosun", is_board_lead=True), Agent(name="Ship's Cook"), Agent(name="Ada-2"), Agent(name="Élise"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@bosun", ["Bosun"]),
        ("(@BOSUN), please", ["Bosun"]),
        ("@lead and @ada-2-", ["Bosun", "Ada-2"]),
        ("@ada", []),
        ("@ship", []),
        ("@cook", []),
        ("@élise", ["Élise"]),
        ("x@bosun.example, a.@bosun, @@bosun", []),
        ("nobody @ all", []),
        ("@" * 10_000, []),
    ],
)
def test_names_are_found(text: str, names: list[str]) -> None:
    assert [agent.name for agent in mentioned(text, AGENTS)] == names
