"""Patterns of whole statements, in which space and comments may stand before the first word."""

import re

NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
QUALIFIED = rf"(?:{NAME}\s*\.\s*)?{NAME}"
START, END = r"^(?:\s|--[^\n]*\n|/\*.*?\*/)*", r"\s*;?\s*$"


def pattern(words: str) -> re.Pattern[str]:
    """Return a pattern for a statement that begins with these words, whatever space and comments are before them."""
    return re.compile(START + words.replace(" ", r"\s+"), re.IGNORECASE | re.DOTALL)
