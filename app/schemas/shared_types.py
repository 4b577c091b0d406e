"""Types that request shapes share: texts, names, slugs and times."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

# Patterns are in the OpenAPI document, too, which has ECMAScript's syntax: without \A and \Z. Python's $ would allow a
# line break after it. `(?![\s\S])` is the end of the text in both syntaxes.
END = r"(?![\s\S])"

NOT_BLANK = r"\S"
_SLUG = rf"^[a-z0-9]+(-[a-z0-9]+)*{END}"
_COLOR = rf"^#?[0-9A-Fa-f]{{6}}{END}"
_EMAIL = rf"^[^@\s]+@[^@\s]+{END}"
# The message for a client if a text does not match.
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
Color = Annotated[str, Meta(pattern=_COLOR, description="A color as RRGGBB, with or without #.", examples=["9e9e9e"])]
Email = Annotated[str, Meta(min_length=3, max_length=320, pattern=_EMAIL, examples=["ada@example.com"])]
Moment = Annotated[datetime, Meta(tz=True)]

# White space around the values of these fields is removed.
_STRIPPED = frozenset({"name", "title"})
_MAX_DEPTH = 32
# asyncpg stores these two as -infinity and infinity, and reads them back without an offset.
_INFINITIES = frozenset({datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)})


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The base of request shapes. An unknown field is an error, because it is most often a misspelt one."""

    def __post_init__(self) -> None:
        """Check and normalize what types cannot express.

        msgspec turns a ValueError into a validation error. Its text starts with the field.
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if problem := _storage_problem(value):
                raise ValueError(f"`{name}` {problem}")
            if isinstance(value, datetime):
                setattr(self, name, value.astimezone(UTC))
            elif isinstance(value, str) and name in _STRIPPED:
                setattr(self, name, value.strip())

    def sent(self) -> dict[str, object]:
        """Return the fields of an update that were sent, including those that are null."""
        every = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in every.items() if value is not msgspec.UNSET}


class Update(Request):
    """The base of changes. A null field changes nothing, unless `null_clears` has its name: it is then null."""

    null_clears: ClassVar[frozenset[str]] = frozenset()

    def sent(self) -> dict[str, object]:
        """Return the fields that change something."""
        return {name: value for name, value in super().sent().items() if value is not None or name in self.null_clears}


def _storage_problem(value: object, depth: int = 0) -> str | None:
    """Return why PostgreSQL could not store the value; None if it can. JSON is checked recursively, with its keys."""
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
        return next((problem for item in inner if (problem := _storage_problem(item, depth + 1))), None)
    return None
