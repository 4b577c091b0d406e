"""PostgreSQL's programs: which of those installed here to use, and how they are told where the database is."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ...postgres.dev_server.server import DevServerError, binaries
from ...postgres.errors import BackupError
from ...postgres.settings_error import SettingsError
from ...postgres.url.database_url import DatabaseURL
from ...postgres.url.home_directory import hide_unreadable_home
from ...postgres.url.parameters import SECRETS
from ..config import MigratorConfig

_PROGRAMS = ("pg_dump", "pg_restore", "psql")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_SERVICE = "plimsoll"
# The names of all variables that libpq and PostgreSQL's programs read begin with these.
_STEERING = ("PG", "PSQL")


class Tools(NamedTuple):
    """pg_dump, pg_restore and psql of one release, in one directory; `version` is (major, minor)."""

    version: tuple[int, int]
    directory: Path

    @property
    def major(self) -> int:
        return self.version[0]

    @property
    def release(self) -> str:
        """The version as PostgreSQL writes it, such as 18.1."""
        return f"{self.version[0]}.{self.version[1]}"

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.directory / program), *arguments]


class Access(NamedTuple):
    """What a program needs to reach the database: `connection` for its command line, the rest for its environment."""

    connection: str
    environment: dict[str, str]


def tools_to_dump(config: MigratorConfig, server: int) -> Tools:
    """Return the programs of the server's major version, or else of the next newer one, in their last minor version.

    They are not simply the newest, because an older pg_restore cannot read what a newer pg_dump writes. Raises
    BackupError.
    """
    found = _installed(config)
    usable = [tools for tools in found if tools.major >= server]
    if not usable:
        raise _too_old(f"PostgreSQL {server} needs a pg_dump of version {server} or later", server, found)
    return min(usable, key=lambda tools: (tools.major, -tools.version[1]))


def tools_to_restore(config: MigratorConfig, dumped_by: int) -> Tools:
    """Return the newest programs, which must be as new as the pg_dump of major version `dumped_by`.

    Raises BackupError.
    """
    found = _installed(config)
    newest = max(found, key=lambda tools: tools.version, default=None)
    if newest is None or newest.major < dumped_by:
        words = f"The backup was made by pg_dump {dumped_by} and needs a pg_restore of version {dumped_by} or later"
        raise _too_old(words, dumped_by, found)
    return newest


@contextmanager
def access(url: DatabaseURL, connect_timeout: float) -> Iterator[Access]:
    """Yield what a program needs to connect as `url` says, which names one server (`postgres/url/resolved.py`).

    Nothing else that libpq, psql or pg_dump would read from the environment reaches the program. Other users of the
    machine can see a command line, so `connection` has no secret: the password is in the environment, and a secret for
    which libpq has no variable is in a file that only the owner can read, until the context ends.
    """
    hide_unreadable_home()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(_STEERING)},
        # In English, because its messages are parsed.
        "LC_ALL": "C",
        # libpq reads whole seconds and takes less than 2 for 2.
        "PGCONNECT_TIMEOUT": str(max(2, round(connect_timeout))),
    }
    if url.password is not None:
        environment["PGPASSWORD"] = url.password.reveal()
    secret = {name: value for name, value in url.parameters.items() if name in SECRETS}
    if not secret:
        yield Access(url.libpq_without_password, environment)
        return
    with TemporaryDirectory(prefix="plimsoll-") as directory:  # of mode 0700
        file = Path(directory) / "pg_service.conf"
        file.write_text("".join([f"[{_SERVICE}]\n", *(f"{name}={value}\n" for name, value in secret.items())]))
        yield Access(url.libpq_without_password, environment | {"PGSERVICEFILE": str(file), "PGSERVICE": _SERVICE})


def _installed(config: MigratorConfig) -> list[Tools]:
    """Return the programs in PG_BIN_DIR; without it those of Debian, of the development wheel, and on the PATH."""
    if config.pg_bin_dir is not None:
        tools = _tools_in(config.pg_bin_dir)
        if tools is None:
            problem = f"is {str(config.pg_bin_dir)!r}, which does not hold {', '.join(_PROGRAMS)} that run"
            raise SettingsError("PG_BIN_DIR", problem, "Set it to a directory such as /usr/lib/postgresql/18/bin.")
        return [tools]
    candidates = [*Path("/usr/lib/postgresql").glob("*/bin"), *_embedded(), *map(Path, os.get_exec_path())]
    return [tools for directory in dict.fromkeys(candidates) if (tools := _tools_in(directory))]


def _embedded() -> list[Path]:
    try:
        return [binaries()]
    except DevServerError:
        return []


def _tools_in(directory: Path) -> Tools | None:
    if not all(os.access(directory / program, os.X_OK) for program in _PROGRAMS):
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - a program of the operator's
            [directory / "pg_dump", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer)
    return Tools((int(match[1]), int(match[2] or 0)), directory) if match else None


def _too_old(what_is_needed: str, version: int, found: list[Tools]) -> BackupError:
    here = ", ".join(f"{tools.release} ({tools.directory})" for tools in found) or "none"
    return BackupError(
        f"{what_is_needed}; found here: {here}. Install the PostgreSQL client of version {version} (on Debian"
        f" postgresql-client-{version}), or set PG_BIN_DIR to the directory that holds one. Nothing was changed."
    )
