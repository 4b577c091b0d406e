"""The parser of `.env`: lines of `NAME=value`. A line that cannot be read is an error.

python-dotenv is not used: it skips lines that it cannot read. If it is installed, Litestar's command line lets it load
another folder's `.env` into the environment before any of our code runs.
"""

import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import NamedTuple

from app.postgres.settings_error import SettingsError

# A longer file is a device or a mistake.
_MAX_BYTES = 1 << 18
_BLANK = re.compile(r"[^\S\n]*(#[^\n]*)?(\n|\Z)")
_NAME = r"[^\S\n]*(?:export[^\S\n]+)?(?P<name>[A-Za-z0-9_.-]+)[^\S\n]*="
_BEGUN = re.compile(rf"{_NAME}[^\S\n]*(?P<quote>['\"]?)(?P<rest>[^\n]*)")
_ASSIGNMENT = re.compile(
    rf"""{_NAME} (?:
        [^\S\n]* (?P<quote>['"]) (?P<quoted> (?: \\. | (?!(?P=quote)) [^\\] )* ) (?P=quote) [^\S\n]* (?:\#[^\n]*)?
    |   (?! [^\S\n]* ['"] ) (?P<bare> [^\n]* )
    ) (?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"\s+#.*")
# In single quotes a backslash stands for itself, except before these two characters.
_ESCAPED = {"'": re.compile(r"\\(['\\])"), '"': re.compile(r"\\(['\"\\abfnrtv])")}
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_REFERENCE = re.compile(r"\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}")
_FURTHER = re.compile(r"[^\S\n]([A-Za-z0-9_]+)=")
# Not the `=` that pads Base64, as in a private key.
_SWALLOWED = re.compile(rf"\n{_NAME}[^=\s]")


class EnvFile(NamedTuple):
    """The values by name. `problems` name the file and the line, and never show a value."""

    values: Mapping[str, str]
    problems: tuple[SettingsError, ...]


class _Line(NamedTuple):
    number: int
    name: str
    value: str


class _Problem(NamedTuple):
    number: int
    problem: str
    remedy: str


def read_env_file(path: Path, environ: Mapping[str, str], settings: Set[str]) -> EnvFile:
    """Return the values in the file; none if there is no file. `${NAME}` in a value refers to another variable.

    A variable of `settings` may be set once, and each variable that its value refers to must be set.
    """
    try:
        text = _read(path)
    except SettingsError as exc:
        return EnvFile({}, (exc,))
    values: dict[str, str] = {}
    first: dict[str, _Line] = {}
    problems: list[_Problem] = []
    for line in _lines(text):
        if isinstance(line, _Problem):
            problems.append(line)
            continue
        value, unset = _resolve(line.value, {**environ, **values})
        if line.name in settings:
            resolved = line._replace(value=value)
            problems += _setting_problems(
                resolved, first.get(line.name), unset, settings & set(_FURTHER.findall(line.value))
            )
            if not value.strip():  # A blank value counts as unset.
                continue
            first.setdefault(line.name, resolved)
        values[line.name] = value
    return EnvFile(values, tuple(SettingsError(f"{path.absolute()}, line {n},", *said) for n, *said in problems))


def _read(path: Path) -> str:
    """Return the text with LF line ends. Raises SettingsError."""
    try:
        path.lstat()
    except OSError:  # There is no file, or this user may not enter the folder.
        return ""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except IsADirectoryError:
        if (path / "pyvenv.cfg").exists():  # Some people give a virtual environment this name.
            return ""
        raise _unreadable(path, "it is a directory") from None
    except OSError as exc:
        raise _unreadable(path, f"{exc.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise _unreadable(path, f"it has more than {_MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8 text") from None


def _lines(text: str) -> Iterator[_Line | _Problem]:
    position, counted, number = 0, 0, 1
    while position < len(text):
        number, counted = number + text.count("\n", counted, position), position
        if match := _BLANK.match(text, position):
            position = match.end()
        elif match := _ASSIGNMENT.match(text, position):
            position = match.end()
            swallows = _SWALLOWED.search(match["quoted"] or "")
            yield _unclosed(number, match["name"]) if swallows else _Line(number, match["name"], _value(match))
        else:
            yield _diagnose(number, text, position)
            position = text.find("\n", position) + 1 or len(text)


def _value(match: re.Match[str]) -> str:
    if match["quote"]:
        return _ESCAPED[match["quote"]].sub(lambda found: _CONTROLS.get(found[1], found[1]), match["quoted"])
    return _COMMENT.sub("", match["bare"]).strip()


def _diagnose(number: int, text: str, position: int) -> _Problem:
    begun = _BEGUN.match(text, position)
    if begun is None:
        remedy = "Write NAME=value, and # before a comment."
        return _Problem(number, "is neither blank, nor a comment, nor an assignment", remedy)
    if begun["quote"] not in re.sub(r"\\.", "", begun["rest"]):
        return _unclosed(number, begun["name"])
    remedy = 'Quote the whole value, or nothing of it; in double quotes write \\" for a quotation mark.'
    return _Problem(number, f"has something behind the closing quotation mark of {begun['name']}", remedy)


def _unclosed(number: int, name: str) -> _Problem:
    return _Problem(number, f"opens a quotation mark for {name} and does not close it", "Close it in that line.")


def _setting_problems(line: _Line, first: _Line | None, unset: list[str], further: Set[str]) -> Iterator[_Problem]:
    """Yield each problem of this line; `first` is the earlier line that sets the same setting."""
    if unset:
        # Another text may be a part of a password.
        shown = unset[0] if re.fullmatch(r"[A-Z_][A-Z0-9_]*", unset[0]) else "a variable"
        remedy = "Set it, or write ${NAME:-} where it may be missing; a literal ${ belongs in the environment."
        yield _Problem(line.number, f"refers to {shown} for {line.name}, which is not set", remedy)
    if further:
        problem = f"sets {min(further)} within the value of {line.name}"
        yield _Problem(line.number, problem, "Write each on a line of its own.")
    if first and line.value.strip() and line.value != first.value:
        problem = f"sets {line.name} to another value than line {first.number}"
        yield _Problem(line.number, problem, "Remove one of the two.")


def _resolve(value: str, known: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the value with its references resolved, and the names that are neither set nor have a default."""
    unset = [found["name"] for found in _REFERENCE.finditer(value) if found["default"] is None]
    return (
        _REFERENCE.sub(lambda found: known.get(found["name"], found["default"] or ""), value),
        [name for name in unset if name not in known],
    )


def _unreadable(path: Path, why: str) -> SettingsError:
    remedy = "It is UTF-8 text, with NAME=value in each line."
    return SettingsError(f"{path.absolute()}", f"cannot be read: {why}", remedy)
