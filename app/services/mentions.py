"""The agents that a text speaks to: by `@name`, the first word of a name, or `@lead`, in any case."""

import re
from collections.abc import Iterable

from app.models import Agent

# Not the second half of an e-mail address.
_MENTION = re.compile(r"(?<![\w.@-])@(\w[\w-]*)")
_LEAD = "lead"


def mentioned(text: str, agents: Iterable[Agent]) -> list[Agent]:
    """Return those of the agents that the text speaks to."""
    words = {word.rstrip("-").casefold() for word in _MENTION.findall(text)}
    return [agent for agent in agents if words & _names_of(agent)]


def _names_of(agent: Agent) -> set[str]:
    name = agent.name.casefold()
    return {name, *name.split()[:1], *([_LEAD] if agent.is_board_lead else [])}
