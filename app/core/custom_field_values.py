"""Validation of the values of custom fields, by the field's type. Pure functions without tables or requests."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    import re2

# The types whose fields may have a pattern.
TEXT_TYPES = frozenset({"text", "text_long"})
# The largest integer that every JSON reader represents exactly (RFC 8259, section 6).
_MAX_INTEGER = 2**53 - 1
# A double preserves every decimal number of so many digits.
_DECIMAL_DIGITS = 15
_DECIMAL_LIMIT = 10**15
_DECIMAL_PLACES = 12
_MAX_URL = 2_048
_MAX_JSON_BYTES = 10_000
_MAX_JSON_DEPTH = 16
# Matching costs the length of the text times the size of the pattern: with these limits at most about 20 ms.
_MAX_PATTERNED = 2_000
_MAX_PATTERN_MEMORY = 2**16

# Without a user name or password, and without characters that would end an HTML attribute.
_URL = re.compile(
    r"https?://(?:\[[0-9A-F:.]+\]|[^\s/?#@:\[\]\\<>\"\x00-\x1f\x7f]+)(?::\d{1,5})?(?:[/?#][^\s\\<>\"\x00-\x1f\x7f]*)?",
    re.IGNORECASE,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class UnfitValueError(ValueError):
    """The field does not take this value; the text says what it takes."""


class BadPatternError(ValueError):
    """The pattern cannot be used; the text says why."""


def normalize_value(field_type: str, pattern: str | None, value: object) -> object:
    """Return the value in the form in which it is stored, which normalizes to itself. Raises UnfitValueError."""
    kept = _NORMALIZERS[field_type](value)
    if pattern is not None and isinstance(kept, str):
        if len(kept) > _MAX_PATTERNED:
            raise UnfitValueError(f"Expected at most {_MAX_PATTERNED} characters, since it is held to a pattern.")
        if compile_pattern(pattern).fullmatch(kept) is None:
            raise UnfitValueError("It does not match the field's `validation_regex`, which must match the whole text.")
    return kept


@lru_cache(maxsize=128)
def compile_pattern(pattern: str) -> "re2._Regexp":
    """Compile the pattern with RE2, whose time is linear in the text for every pattern. Raises BadPatternError."""
    # Imported here because the library takes megabytes of memory, and few fields have a pattern.
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = _MAX_PATTERN_MEMORY, False, True
    try:
        return re2.compile(pattern, options)
    except re2.error as exc:
        (reason,) = exc.args or ("",)
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadPatternError(f"RE2, which has no look-around and no back-references, says: {said}.") from exc


def _text(limit: int, value: object) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise UnfitValueError(f"Expected a text of at most {limit} characters.")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
        raise UnfitValueError(f"Expected an integer from -{_MAX_INTEGER} to {_MAX_INTEGER}.")
    return value


def _decimal(value: object) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _DECIMAL_LIMIT:
        _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
        if len(digits) <= _DECIMAL_DIGITS and isinstance(exponent, int) and exponent >= -_DECIMAL_PLACES:
            # Negative zero becomes 0, and 3.0 becomes 3.
            return int(value) if value == int(value) else value
    raise UnfitValueError(
        f"Expected a number of at most {_DECIMAL_DIGITS} digits, {_DECIMAL_PLACES} of them after the point."
    )


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise UnfitValueError("Expected true or false.")
    return value


def _date(value: object) -> str:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise UnfitValueError("Expected a date such as 2026-11-23.")


def _date_time(value: object) -> str:
    try:
        if isinstance(value, str):
            moment = msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
            return str(msgspec.to_builtins(moment.astimezone(UTC)))
    except (msgspec.ValidationError, OverflowError):
        pass
    raise UnfitValueError("Expected a date and time with its offset (RFC 3339), such as 2026-11-23T10:00:00Z.")


def _url(value: object) -> str:
    if isinstance(value, str) and len(value) <= _MAX_URL and _URL.fullmatch(value):
        return value
    raise UnfitValueError(f"Expected a http or https URL of at most {_MAX_URL} characters, without user or password.")


def _json(value: object) -> object:
    if _depth(value) > _MAX_JSON_DEPTH or len(msgspec.json.encode(value)) > _MAX_JSON_BYTES:
        raise UnfitValueError(f"Expected JSON of at most {_MAX_JSON_BYTES} bytes, {_MAX_JSON_DEPTH} levels deep.")
    return value


def _depth(value: object) -> int:
    """Return how deeply the value is nested; 0 for a plain value. The limit on requests bounds the recursion."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


_NORMALIZERS: dict[str, Callable[[object], object]] = {
    "text": partial(_text, 500),
    "text_long": partial(_text, 20_000),
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "date_time": _date_time,
    "url": _url,
    "json": _json,
}
