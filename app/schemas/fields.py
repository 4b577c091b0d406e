"""Types that request shapes share: what a text, a name, a slug and a time may be."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

# PostgreSQL cannot store NUL in a text, so that none may hold it.
_NO_NUL = r"\A[^\x00]*\Z"
_NOT_BLANK = r"\A[^\x00]*[^\x00\s][^\x00]*\Z"

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_NOT_BLANK)]
Title = Annotated[str, Meta(min_length=1, max_length=500, pattern=_NOT_BLANK)]
Message = Annotated[str, Meta(min_length=1, max_length=20_000, pattern=_NOT_BLANK)]
ShortText = Annotated[str, Meta(max_length=200, pattern=_NO_NUL)]
LongText = Annotated[str, Meta(max_length=20_000, pattern=_NO_NUL)]
Slug = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\A[a-z0-9]+(-[a-z0-9]+)*\Z")]
Color = Annotated[str, Meta(pattern=r"\A#?[0-9A-Fa-f]{6}\Z", description="RRGGBB, with or without #.")]
Moment = Annotated[datetime, Meta(tz=True)]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of what clients send; an unknown field is an error, since it is most often a misspelt one."""

    def __post_init__(self) -> None:
        """Times are kept as UTC. msgspec makes a ValueError here a validation error."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime):
                try:
                    setattr(self, name, value.astimezone(UTC))
                except OverflowError:
                    raise ValueError(f"`{name}` is outside the years 1 to 9999 in UTC") from None

    def sent(self) -> dict[str, object]:
        """The fields that were sent, in an update: null included, what is unset left out."""
        every = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in every.items() if value is not msgspec.UNSET}
