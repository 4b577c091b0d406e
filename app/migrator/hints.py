"""What only the project knows, and its operators need to read in the engine's messages."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Hints:
    """The project's own words for some messages; empty where it has none.

    `stop_automatic` and `expand_only` are the settings that keep a program from upgrading at its start, and that have
    it stop before the first contract revision. `writing_revisions` is the page that says how to write a revision that
    locks for a moment only. `drift_breaks` is a sentence about what goes wrong where the schema is not the models'.
    """

    stop_automatic: str = ""
    expand_only: str = "Phase.EXPAND would leave it to an operator"
    writing_revisions: str = ""
    drift_breaks: str = ""


def in_brackets(hint: str) -> str:
    """Return the hint as it follows a word; nothing where there is none."""
    return f" ({hint})" if hint else ""
