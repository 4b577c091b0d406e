"""Find values that a database holds, and that this backend must not take: patterns, links, and JSON."""

import math
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from app.core.custom_field_values import BadPatternError, compile_pattern
from app.importing.mission_control.findings import EXAMPLES, Finding
from app.importing.mission_control.rules import READ_JSON
from app.importing.mission_control.source import Source

# The API takes 32 levels, and shows several hundred.
_DEEPEST: Final = 200
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_NUMBER: Final = re.compile(r"-?([0-9.]+)(?:[eE][+-]?[0-9]+)?")
_STEPS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}
_PATTERNS: Final = (
    "SELECT id::text, validation_regex FROM task_custom_field_definitions WHERE validation_regex IS NOT NULL"
)
_LINKS: Final = (
    (
        "task_custom_field_values",
        "value",
        "SELECT v.id::text, v.value::text FROM task_custom_field_values AS v JOIN task_custom_field_definitions AS d"
        " ON d.id = v.task_custom_field_definition_id WHERE d.field_type = 'url' AND v.value IS NOT NULL",
    ),
    (
        "task_custom_field_definitions",
        "default_value",
        "SELECT id::text, default_value::text FROM task_custom_field_definitions"
        " WHERE field_type = 'url' AND default_value IS NOT NULL",
    ),
)
# An empty text is no link.
_NOT_HTTP: Final = re.compile(r'\s*"(?!https?://|")', re.IGNORECASE)
# Few rows have so many brackets, such exponents or so many digits.
_SUSPECTS: Final = (
    "SELECT id::text, {column}::text FROM {table} WHERE {column}::text ~ '[eE][+-]?[0-9]{{3}}|[0-9]{{255}}'"
    f" OR length({{column}}::text) - length(translate({{column}}::text, '[{{{{', '')) > {_DEEPEST}"
)


async def find_unusable(source: Source) -> list[Finding]:
    """Return patterns that RE2 does not take, links that may be scripts, and JSON that the API could not show."""
    told = "validation_regex is none of RE2, which has no look-around and no back-references"
    found = await _find(source, "task_custom_field_definitions", told, _PATTERNS, _is_bad_pattern)
    for table, column, statement in _LINKS:
        told = f"{column} of a url field does not begin with http:// or https://"
        found += await _find(source, table, told, statement, lambda value: _NOT_HTTP.match(value) is not None)
    for table, column in READ_JSON:
        told = f"{column} has a number that no double holds, or is nested more than {_DEEPEST} deep"
        found += await _find(source, table, told, _SUSPECTS.format(table=table, column=column), _is_bad_json)
    return found


async def _find(source: Source, table: str, told: str, statement: str, is_bad: Callable[[str], bool]) -> list[Finding]:
    bad: list[str] = []
    rows = 0
    async with source.stream(statement) as values:
        async for row_id, value in values:
            if is_bad(value):
                rows += 1
                bad = sorted([*bad, row_id])[:EXAMPLES]
    return [Finding(table, told, rows, bad)] if rows else []


def _is_bad_pattern(pattern: str) -> bool:
    try:
        compile_pattern(pattern)
    except BadPatternError:
        return True
    return False


def _is_bad_json(value: str) -> bool:
    """Return whether JSON that a database has parsed is nested too deeply, or has a number that no double holds."""
    bare = _STRING.sub("", value)
    if max(accumulate(_STEPS.get(letter, 0) for letter in bare), default=0) > _DEEPEST:
        return True
    return any(_is_no_double(*number.group(0, 1)) for number in _NUMBER.finditer(bare))


def _is_no_double(number: str, mantissa: str) -> bool:
    nearest = float(number)
    return math.isinf(nearest) or (nearest == 0 and mantissa.strip("0.") != "")
