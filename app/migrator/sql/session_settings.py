"""Which settings of the session a statement changes."""

from collections.abc import Iterator, Sequence

from .tokens import Statement, Word

_SCOPES = frozenset({"SESSION", "LOCAL"})
_TO = frozenset({"TO", "="})


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
    """Yield each setting that set_config() changes, with its value, or None where that is computed."""
    for position, word in enumerate(words):
        if word.keyword != "SET_CONFIG" and not (word.quoted and word.text == "set_config"):
            continue
        # set_config ( 'name' , 'value' ,
        called = words[position + 1 : position + 6]
        if len(called) == 5 and called[1].literal:  # noqa: PLR2004
            yield called[1].text.lower(), called[3].text if called[4].keyword in {",", ")"} else None
