"""How the operations page writes values."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isinf
from typing import Any

from markupsafe import Markup, escape

from app.api.operations.timeline import in_words

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1024


def clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M:%S}"


def moment(found: datetime) -> str:
    """Return a time to the minute; without the year where it is this one."""
    found = found.astimezone(UTC)
    return f"{found:%d %b %H:%M}" if found.year == datetime.now(UTC).year else f"{found:%Y-%m-%d %H:%M}"


def count(number: float) -> str:
    return f"{number:,.0f}".replace(",", "\u202f")


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "unknown" if isinf(seconds) else in_words(seconds)


def size(number: float) -> str:
    unit = 0
    while number >= _STEP and unit < len(_UNITS) - 1:
        number, unit = number / _STEP, unit + 1
    return f"{number:,.0f} {_UNITS[unit]}"


def prose(text: str) -> Markup:
    """Return a message as HTML, in which a command between backticks is marked as one."""
    parts = [escape(part) for part in text.split("`")]
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "moment": moment,
    "count": count,
    "duration": duration,
    "size": size,
    "prose": prose,
}
