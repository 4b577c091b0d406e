"""Parsers of settings: each function converts a text, and raises SettingsError if the text is not valid."""

import math
import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_network

from app.postgres.settings_error import SettingsError

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
_BASE_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_ORIGIN = re.compile(r"https?://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])[:/]")
# Asymmetric algorithms only (RFC 7518, 3.1; RFC 8037): with a symmetric key, those who verify tokens could make them.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# A comma may also separate the hosts within one URL.
_BETWEEN_URLS = re.compile(r"\s*,\s*(?=[a-z][a-z0-9+.-]*://|$)", re.IGNORECASE)
_SHOWN = 40
_TOKEN_MIN_LENGTH = 50
_TOKEN_MIN_VARIETY = 10
STRONG = f"It needs at least {_TOKEN_MIN_LENGTH} random characters, such as those of `openssl rand -hex 32`."
_PLACEHOLDERS = (
    "change-me",
    "changeme",
    "change_me",
    "placeholder",
    "replace",
    "your-token",
    "example",
    "secret-token",
)


def shown(text: str) -> str:
    """Return the value for a message, shortened and without secrets."""
    # What follows a line break or NAME= is another setting, perhaps a secret; so is what is between :// and @.
    shown = re.sub(r"://[^/\s]*@", "://***@", re.split(r"\s\w+=", text.splitlines()[0])[0])[:_SHOWN]
    return f"is {shown!r}" + (f"… ({len(text)} characters)" if len(text) > len(shown) else "")


def one_line(variable: str, text: str) -> str:
    if len(text.splitlines()) > 1:
        raise SettingsError(variable, "has more than one line", "Remove the line break: a secret has none.")
    return text


def boolean(variable: str, text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise SettingsError(variable, shown(text), "It may hold true/1/yes/on/t/y or false/0/no/off/f/n, in any case.")


def choice(kind: type[StrEnum]) -> Callable[[str, str], StrEnum]:
    def parse(variable: str, text: str) -> StrEnum:
        try:
            return kind(text.lower())
        except ValueError:
            allowed = ", ".join(member.value for member in kind)
            raise SettingsError(variable, shown(text), f"It may hold one of: {allowed}.") from None

    return parse


def integer(low: int, high: int) -> Callable[[str, str], int]:
    def parse(variable: str, text: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(text) or not low <= int(text) <= high:
            raise SettingsError(variable, shown(text), f"It may hold a whole number from {low} to {high}.")
        return int(text)

    return parse


def seconds(low: float, high: float) -> Callable[[str, str], float]:
    def parse(variable: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise SettingsError(variable, shown(text), f"It may hold seconds from {low:g} to {high:g}.")
        return value

    return parse


def log_level(variable: str, text: str) -> str:
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    if text.upper() not in levels:
        raise SettingsError(variable, shown(text), f"It may hold one of: {', '.join(levels)}.")
    return text.upper()


def base_url(variable: str, text: str) -> str:
    if not _BASE_URL.fullmatch(text):
        raise SettingsError(variable, shown(text), "It may hold a URL such as https://plimsoll.example.com.")
    return text.rstrip("/")


def networks(variable: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(","))
    except ValueError:
        remedy = "It may hold addresses and networks with commas between, such as 10.0.0.0/8, ::1."
        raise SettingsError(variable, shown(text), remedy) from None


def origins(variable: str, text: str) -> tuple[str, ...]:
    """Parse origins as browsers send them (RFC 6454, 6.2), or `*` alone."""
    found = tuple(part.lower() for part in words(variable, text))
    if found != ("*",) and not all(_ORIGIN.fullmatch(origin) for origin in found):
        remedy = "It may hold origins with commas between, such as https://app.example.com, without a path; or * alone."
        raise SettingsError(variable, shown(text), remedy)
    return found


def issuer(variable: str, text: str) -> str:
    """Parse an issuer, unchanged, because tokens are compared with it. Without TLS its keys could be replaced."""
    if not _BASE_URL.fullmatch(text) or not (text.startswith("https://") or _LOOPBACK.match(f"{text}/")):
        raise SettingsError(variable, shown(text), "It may hold an https:// URL; http:// on this machine alone.")
    return text


def words(_: str, text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def urls(text: str) -> list[str]:
    return [part for part in _BETWEEN_URLS.split(text) if part]


def algorithms(variable: str, text: str) -> tuple[str, ...]:
    found = words(variable, text)
    if not found or not set(found) <= set(_ALGORITHMS):
        raise SettingsError(variable, shown(text), f"It may hold some of: {', '.join(_ALGORITHMS)}.")
    return found


def weakness(token: str) -> str | None:
    """Return why the token might be guessed; None if it is strong."""
    if len(token) < _TOKEN_MIN_LENGTH:
        return f"has {len(token)} characters"
    if len(set(token)) < _TOKEN_MIN_VARIETY or any(word in token.lower() for word in _PLACEHOLDERS):
        return "is a placeholder"
    return None
