"""Types that request shapes share: what a text, a name, a slug and a time may be."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

# Patterns stand in the OpenAPI document too, where ECMAScript's rules hold: it has no \A and no \Z, and Python's $
# would let a line break follow. `(?![\s\S])` is the end of the text in both.
END = r"(?![\s\S])"

NOT_BLANK = r"\S"
_SLUG = rf"^[a-z0-9]+(-[a-z0-9]+)*{END}"
_COLOR = rf"^#?[0-9A-Fa-f]{{6}}{END}"
_EMAIL = rf"^[^@\s]+@[^@\s]+{END}"
# What a client is told where a text does not match.
IN_WORDS = {
    NOT_BLANK: "It is blank.",
    _SLUG: "Give small letters and digits, with single hyphens between, such as first-board.",
    _COLOR: "Give six hexadecimal digits, with or without #.",
    _EMAIL: "It is no e-mail address.",
}

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=NOT_BLANK)]
Title = Annotated[str, Meta(min_length=1, max_length=500, pattern=NOT_BLANK)]
Message = Annotated[str, Meta(min_length=1, max_length=20_000, pattern=NOT_BLANK)]
ShortText = Annotated[str, Meta(max_length=200)]
LongText = Annotated[str, Meta(max_length=20_000)]
Slug = Annotated[str, Meta(min_length=1, max_length=100, pattern=_SLUG, examples=["first-board"])]
Color = Annotated[str, Meta(pattern=_COLOR, description="RRGGBB, with or without #.", examples=["9e9e9e"])]
Email = Annotated[str, Meta(min_length=3, max_length=320, pattern=_EMAIL, examples=["ada@example.com"])]
Moment = Annotated[datetime, Meta(tz=True)]

# Of these, white space around them is not kept.
_STRIPPED = frozenset({"name", "title"})
_MAX_DEPTH = 32
# asyncpg stores these two as -infinity and infinity, and reads those back without an offset.
_INFINITIES = frozenset({datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)})


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of what clients send; an unknown field is an error, since it is most often a misspelt one."""

    def __post_init__(self) -> None:
        """What no type says. msgspec makes a ValueError here a validation error; its text starts with the field."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if problem := _unfit(value):
                raise ValueError(f"`{name}` {problem}")
            if isinstance(value, datetime):
                setattr(self, name, value.astimezone(UTC))
            elif isinstance(value, str) and name in _STRIPPED:
                setattr(self, name, value.strip())

    def sent(self) -> dict[str, object]:
        """The fields that were sent, in an update: null included, what is unset left out."""
        every = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in every.items() if value is not msgspec.UNSET}


def _unfit(value: object, depth: int = 0) -> str | None:
    """Why PostgreSQL, or a time in UTC, could not hold this; JSON is looked through to its leaves, keys included."""
    if isinstance(value, str) and "\x00" in value:
        return "holds the character U+0000"
    if isinstance(value, datetime):
        try:
            moment = value.astimezone(UTC)
        except OverflowError:
            return "is outside the years 1 to 9999 in UTC"
        if moment in _INFINITIES:
            return "is the first or the last moment there is, which cannot be stored"
    if isinstance(value, dict | list):
        if depth == _MAX_DEPTH:
            return f"is nested more than {_MAX_DEPTH} deep"
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        return next((problem for item in inner if (problem := _unfit(item, depth + 1))), None)
    return None
