"""The sources of settings: the environment, `.env`, and for a secret a file that one of the two names."""

import os
import stat
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from app.postgres.settings_error import SettingsError

# For each of these, NAME_FILE may name a file that holds the secret, as Docker and Kubernetes mount them.
SECRETS = frozenset(
    {
        "DATABASE_URL",
        "MIGRATION_DATABASE_URL",
        "DATABASE_REPLICA_URLS",
        "LOCAL_AUTH_TOKEN",
        "SECRET_KEY",
        "OPERATIONS_TOKEN",
    }
)
_SUFFIX = "_FILE"
_MAX_BYTES = 1 << 16


class Source(StrEnum):
    ENVIRONMENT = "environment"
    FILE = ".env"
    DEFAULT = "default"


class SourcedValue(NamedTuple):
    """A value and its source. If the value is in a file (`path`), the source is that of the variable that names it."""

    source: Source = Source.DEFAULT
    text: str | None = None
    path: Path | None = None


def file_variable(variable: str) -> str:
    return f"{variable}{_SUFFIX}"


def setting_of(variable: str) -> str:
    """Return the setting that the variable sets, by its value or by a file."""
    bare = variable.removesuffix(_SUFFIX)
    return bare if bare in SECRETS else variable


def find_value(variable: str, environ: Mapping[str, str], file: Mapping[str, str]) -> SourcedValue:
    """Return the value and its source. Raises SettingsError if a secret is set twice, or its file cannot be read."""
    given = _find(variable, environ, file)
    if variable not in SECRETS:
        return given
    name = file_variable(variable)
    named = _find(name, environ, file)
    if named.text is None:
        return given
    if given.text is not None:
        where = " and ".join(dict.fromkeys([given.source, named.source]))
        raise SettingsError(variable, f"and {name} are both set (in {where})", "Remove one of the two.")
    return SourcedValue(named.source, _read(name, Path(named.text)), Path(named.text))


def _find(variable: str, environ: Mapping[str, str], file: Mapping[str, str]) -> SourcedValue:
    for source, held in ((Source.ENVIRONMENT, environ), (Source.FILE, file)):
        if text := held.get(variable, "").strip():
            return SourcedValue(source, text)
    return SourcedValue()


def _read(variable: str, path: Path) -> str:
    try:
        text = _content(path).decode("utf-8-sig").strip()
    except OSError as exc:
        raise _unusable(variable, path, f"cannot be read ({exc.strerror})") from None
    except UnicodeDecodeError:
        raise _unusable(variable, path, "is not UTF-8 text") from None
    except ValueError as exc:
        raise _unusable(variable, path, str(exc)) from None
    if not text:
        raise _unusable(variable, path, "is empty")
    return text


def _content(path: Path) -> bytes:
    """Return the content of a secret's file. Raises OSError, and ValueError if it is no regular file or too long."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        # It is not even opened: opening a pipe that nobody writes to blocks for ever.
        raise ValueError("is a directory" if stat.S_ISDIR(mode) else "is a pipe or a device, not a file")
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"has more than {_MAX_BYTES} bytes")
    return content


def _unusable(variable: str, path: Path, problem: str) -> SettingsError:
    remedy = "Name a file that holds the secret and nothing else, and that this process may read."
    return SettingsError(variable, f"names {_show(path)}, which {problem}", remedy)


def _show(path: Path) -> str:
    """Return the path for a message, unless it may be the secret itself, set in the wrong variable."""
    # Path's methods raise for a text that no path can be.
    exists, is_dir = os.path.exists, os.path.isdir
    is_path = path.is_absolute() or exists(path) or (len(path.parts) > 1 and is_dir(path.parent))
    return repr(str(path)) if is_path else "a file (its name is not shown, since it may be the secret itself)"
