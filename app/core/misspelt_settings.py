"""Variables whose names are almost a setting's: nothing reads them, so the mistake would pass unnoticed."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher

from app.core.setting_sources import file_variable, setting_of
from app.postgres.settings_error import SettingsError

# How similar two words must be: in a word of up to four letters one may differ, in a longer one every fifth.
_SHORT, _SHORT_ALIKE, _ALIKE = 4, 0.66, 0.8
# How similar the whole names must be: below it, two short words differ.
_NAME_ALIKE = 0.85
# Variables of other programs that differ from one of ours in one letter.
_OF_OTHERS = frozenset({"DATA_DIRS", "LOG_FORMATTER"})
# A mistake in these leads to another database, or switches off the checks outside dev.
_DECIDING = frozenset({"DATABASE_URL", "ENVIRONMENT"})
_HARMLESS = frozenset({"dev", "test"})
# Variables of libpq, of the server and of OpenTelemetry. PGDATA and pgAdmin's are left out: they are usual in files for
# Compose.
_ELSEWHERE = re.compile(r"PG(?!DATA$|ADMIN)[A-Z]+(_TIMEOUT)?|(LITESTAR|UVICORN|OTEL)_\w+|WEB_CONCURRENCY")


def misspelt(given: Mapping[str, str], known: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return each variable that is set and whose name is almost one of `known`, with the name that was meant."""
    names = sorted(name for name, value in given.items() if name not in known and value.strip())
    found = ((name, _intended_setting(name, known)) for name in names if name not in _OF_OTHERS)
    return tuple((name, meant) for name, meant in found if meant is not None)


def misspelt_beyond_dev(
    found: Iterable[tuple[str, str]], given: Mapping[str, str], *, is_dev: bool
) -> Iterator[SettingsError]:
    """Yield an error for each misspelt variable that would have chosen the database, or left dev."""
    for name, meant in found:
        setting, value = setting_of(meant), given[name].strip()
        # Some platforms set the same value under several names.
        if setting not in _DECIDING or name == file_variable(meant) or value == given.get(meant, "").strip():
            continue
        if not is_dev or (setting == "ENVIRONMENT" and value.lower() not in _HARMLESS):
            yield SettingsError(name, "is set, and is no setting", f"Is {meant} meant? Name it so, or unset it.")


def not_read(file: Mapping[str, str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables in `.env` that other programs read only from the environment, and that are not set there."""
    return tuple(sorted(name for name in file if name not in environ and _ELSEWHERE.fullmatch(name)))


def _intended_setting(name: str, known: Collection[str]) -> str | None:
    if name.removesuffix("_FILE") in known:
        return name.removesuffix("_FILE")
    words = re.split(r"[^A-Z0-9]+", name.upper())
    alike = ((_likeness(words, setting.split("_")), setting) for setting in known)
    likeness, setting = max(alike)
    return setting if likeness >= _NAME_ALIKE else None


def _likeness(given: list[str], setting: list[str]) -> float:
    """Return how similar two names are, from 0 to 1. Names with different numbers of words are not similar."""
    if "".join(given) == "".join(setting):
        return 1
    if len(given) != len(setting) or not all(map(_is_alike, given, setting)):
        return 0
    return SequenceMatcher(None, "_".join(given), "_".join(setting), autojunk=False).ratio()


def _is_alike(given: str, setting: str) -> bool:
    if given == setting or _singular(given) == _singular(setting):
        return True
    if len(setting) > _SHORT:
        return SequenceMatcher(None, given, setting, autojunk=False).ratio() >= _ALIKE
    # The first letter is seldom mistyped; otherwise MODE would match CODE.
    return given[:1] == setting[:1] and SequenceMatcher(None, given, setting, autojunk=False).ratio() >= _SHORT_ALIKE


def _singular(word: str) -> str:
    return re.sub(r"IES$", "Y", word).removesuffix("S")
