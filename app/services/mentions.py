"""Whom a text speaks to: `@name`, the first word of a name, or `@lead`; in any case."""

import re
from collections.abc import Iterable

from app.models import Agent

# Not the second half of an e-mail address.
_MENTION = re.compile(r"(?<![\w.@-])@(\w[\w-]*)")
_LEAD = "lead"


def mentioned(text: str, agents: Iterable[Agent]) -> list[Agent]:
    """Those of the agents to whom the text speaks."""
    words = {word.rstrip("-").casefold() for word in _MENTION.findall(text)}
    return [agent for agent in agents if words & _called(agent)]


def _called(agent: Agent) -> set[str]:
    name = agent.name.casefold()
    return {name, *name.split()[:1], *([_LEAD] if agent.is_board_lead else [])}
