"""Which settings of the session a statement changes."""

from collections.abc import Iterator, Sequence

from .cursor import Cursor
from .tokens import Statement, Word

_SCOPES = frozenset({"SESSION", "LOCAL"})
_TO = frozenset({"TO", "="})
_ARGUMENTS = ("setting_name", "new_value", "is_local")
_NAMES_ARGUMENT = frozenset({"=>", ":="})


def settings_of(statement: Statement) -> Iterator[tuple[str, str | None]]:
    """Yield each setting that the statement changes, with its value; None where that is another one's or computed.

    RESET ALL changes every setting, whose name then is `all`.
    """
    words = [word for word in statement.words if word.keyword not in _SCOPES]
    if statement.head in {"SET", "RESET", "DISCARD"} and len(words) > 1:
        value = words[3] if len(words) > 3 and words[2].keyword in _TO else None  # noqa: PLR2004 - SET name TO value
        yield words[1].name, None if value is None or value.keyword == "DEFAULT" else value.text
    yield from set_by_function(statement.words)


def set_by_function(words: Sequence[Word]) -> Iterator[tuple[str, str | None]]:
    """Yield each setting that set_config() changes, with its value, or None where that is computed.

    It may be any one, whose name then is `all`, where its name is computed.
    """
    for position, word in enumerate(words):
        if word.keyword == "SET_CONFIG" or (word.quoted and word.text == "set_config"):
            cursor = Cursor(words[position + 1 :])
            if cursor.comes("("):
                given = dict(_argument(place, part.left) for place, part in enumerate(cursor.group().parts()))
                name = _literal(given.get("setting_name", ()))
                yield "all" if name is None else name.lower(), _literal(given.get("new_value", ()))


def _argument(place: int, words: Sequence[Word]) -> tuple[str, Sequence[Word]]:
    """Return the argument's name, and its value."""
    if len(words) > 2 and words[1].text in _NAMES_ARGUMENT:  # noqa: PLR2004 - name => value
        return words[0].name, words[2:]
    return _ARGUMENTS[min(place, len(_ARGUMENTS) - 1)], words


def _literal(words: Sequence[Word]) -> str | None:
    """Return the text of a string, also one that is cast; None for anything else."""
    is_one = bool(words) and words[0].literal and (len(words) == 1 or words[1].text == "::")
    return words[0].text if is_one else None
