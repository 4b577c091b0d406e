"""Parse the database URL, in one place for the application, Alembic and every tool.

It accepts what libpq accepts, and what hosting providers offer for pasting: `syntax.py` splits the text,
`parameters.py` decides about each parameter, `tls.py` and `drivers.py` translate for a driver.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import URL

from ..secret import Secret
from ..settings_error import SettingsError
from .drivers import DEFAULT_PORT, asyncpg_arguments, psycopg_arguments, require_user_name
from .parameters import LIBPQ, PSYCOPG, SECRETS, check_parameters
from .syntax import Host, InvalidURLError, read_hosts, read_port, split_url
from .tls import BINDING_NOTE, tls_mode

# The names that may follow `postgresql+`, and the package that each needs.
_DRIVERS = {"asyncpg": "asyncpg", "psycopg": "psycopg", "psycopg_async": "psycopg"}
_SYNCHRONOUS = frozenset({"psycopg2", "psycopg2cffi", "pg8000", "pygresql", "pypostgresql"})
_MASK = "***"


def normalize_database_url(url: str, variable: str = "DATABASE_URL") -> "DatabaseURL":
    """Parse the URL. Raises SettingsError, which names `variable` and says what to write, but never shows the URL."""
    try:
        return _parse(url, variable)
    except InvalidURLError as exc:
        raise SettingsError(variable, exc.problem, exc.remedy) from None


@dataclass(frozen=True, repr=False)
class DatabaseURL:
    """The location of the database and how to connect; immutable, and without the password in its `str` and `repr`.

    `hosts` is empty where the driver finds the server by itself, as libpq does: PGHOST, a Unix socket, localhost.
    `notes` say what the driver is not given and why, for people to read.
    """

    driver: str
    user: str | None
    password: Secret | None
    hosts: tuple[Host, ...]
    default_port: int | None
    database: str | None
    parameters: Mapping[str, str] = field(hash=False)
    notes: tuple[str, ...] = field(compare=False, default=())
    variable: str = field(compare=False, default="DATABASE_URL")

    @property
    def host(self) -> str | None:
        """Return the first host: a name, an address without brackets, or the directory of a socket."""
        return self.hosts[0].name if self.hosts else None

    @property
    def port(self) -> int:
        return (self.hosts[0].port if self.hosts else self.default_port) or DEFAULT_PORT

    @property
    def location(self) -> str:
        """Return `host:port/database` for messages, without user and password."""
        where = ", ".join(map(_show_host, self.hosts)) or "(default host)"
        return _printable(where if self.database is None else f"{where}/{self.database}")

    @property
    def is_asyncpg(self) -> bool:
        return self.driver == "asyncpg"

    @property
    def sqlalchemy(self) -> URL:
        """Return the URL for `create_async_engine`; several hosts are only in `connect_args`, which it needs, too."""
        single = self._single_tcp_host
        return URL.create(
            f"postgresql+{self.driver}",
            username=self.user,
            password=self.password.reveal() if self.password else None,
            host=single.name if single else None,
            port=single.port or DEFAULT_PORT if single else None,
            database=self.database,
        )

    @property
    def connect_args(self) -> dict[str, Any]:
        """Return the driver's arguments, in a dict that the caller may change.

        Raises SettingsError if a file that the URL names cannot be used, or the process itself lacks what it needs.
        """
        with self._naming_variable():
            if self.user is None:
                require_user_name()
            if not self.is_asyncpg:
                return {**self._psycopg_hosts(), **psycopg_arguments(self.parameters)}
            arguments = {**self._asyncpg_hosts(), **self._asyncpg_arguments}
        if "server_settings" in arguments:
            arguments["server_settings"] = dict(arguments["server_settings"])
        return arguments

    @property
    def libpq(self) -> str:
        """Return a connection URI for psql and pg_dump, with the password: other users can read it in a command line.

        It names every port, so that a PGPORT cannot lead a tool to another server than the application's.
        """
        return self._text("postgresql", self.password, self._libpq_parameters, DEFAULT_PORT)

    @property
    def libpq_without_password(self) -> str:
        """Return the same URI for a command line; the password goes into the environment as PGPASSWORD."""
        public = {name: value for name, value in self._libpq_parameters.items() if name not in SECRETS}
        return self._text("postgresql", None, public, DEFAULT_PORT)

    def render(self) -> str:
        """Return the normalized text, with the password; normalizing it again gives an equal value."""
        return self._text(f"postgresql+{self.driver}", self.password, self.parameters)

    def __str__(self) -> str:
        shown = {name: _MASK if name in SECRETS else value for name, value in self.parameters.items()}
        masked = Secret(_MASK) if self.password else None
        return self._text(f"postgresql+{self.driver}", masked, shown).replace("%2A%2A%2A", _MASK)

    def __repr__(self) -> str:
        return f"DatabaseURL({str(self)!r})"

    @property
    def _single_tcp_host(self) -> Host | None:
        return self.hosts[0] if len(self.hosts) == 1 and not self.hosts[0].is_socket else None

    @property
    def _libpq_parameters(self) -> dict[str, str]:
        return {name: value for name, value in self.parameters.items() if name in LIBPQ}

    # Cached, because creating the TLS context takes some milliseconds.
    @cached_property
    def _asyncpg_arguments(self) -> dict[str, Any]:
        return asyncpg_arguments(self.hosts, self.parameters)

    @contextmanager
    def _naming_variable(self) -> Iterator[None]:
        try:
            yield
        except InvalidURLError as exc:
            raise SettingsError(self.variable, exc.problem, exc.remedy) from None

    def _asyncpg_hosts(self) -> dict[str, Any]:
        if self._single_tcp_host or not self.hosts:
            return {"port": self.default_port} if self.default_port else {}
        names, ports = [host.name for host in self.hosts], [host.port or DEFAULT_PORT for host in self.hosts]
        return {"host": names, "port": ports} if len(names) > 1 else {"host": names[0], "port": ports[0]}

    def _psycopg_hosts(self) -> dict[str, str]:
        return {} if self._single_tcp_host else self._host_lists(DEFAULT_PORT)

    def _host_lists(self, default_port: int | None = None) -> dict[str, str]:
        """Return libpq's keywords `host` and `port`; `default_port` stands in for a port that the URL does not have."""
        if not self.hosts:
            return {"port": str(self.default_port)} if self.default_port else {}
        hosts = {"host": ",".join(host.name for host in self.hosts)}
        ports = [str(host.port or default_port or "") for host in self.hosts]
        return {**hosts, "port": ",".join(ports)} if any(ports) else hosts

    def _text(
        self, scheme: str, password: Secret | None, parameters: Mapping[str, str], default_port: int | None = None
    ) -> str:
        user = _encode(self.user or "") + (f":{_encode(password.reveal())}" if password else "")
        single = self._single_tcp_host
        query = {**({} if single else self._host_lists(default_port)), **parameters}
        return "".join(
            (
                f"{scheme}://",
                f"{user}@" if user else "",
                _authority(single, default_port) if single else "",
                f"/{_encode(self.database or '')}" if self.database or query else "",
                f"?{urlencode(query, quote_via=quote, safe='/:')}" if query else "",
            )
        )


def _parse(url: str, variable: str) -> DatabaseURL:
    text = split_url(url)
    driver = _check_driver(text.driver)
    hosts = read_hosts(text.parts.get("host", ""), text.parts.get("port", ""))
    package = _DRIVERS[driver]
    notes = check_parameters(text.parameters, package, hide_unknown=text.secret_in_query)
    if driver == "asyncpg" and (not hosts or not all(host.is_socket for host in hosts)):
        tls_mode(text.parameters)
    if driver == "asyncpg" and text.parameters.get("channel_binding") == "require":
        if not hosts or any(host.is_socket for host in hosts):
            raise InvalidURLError(
                "has channel_binding=require for a Unix socket, where there is no TLS to bind to", "Remove it."
            )
        notes = (*notes, BINDING_NOTE)
    return DatabaseURL(
        driver=driver,
        user=text.parts.get("user"),
        password=Secret(text.parts["password"]) if "password" in text.parts else None,
        hosts=hosts,
        default_port=None if hosts else read_port(text.parts.get("port", "")),
        database=text.parts.get("dbname"),
        parameters=MappingProxyType(dict(sorted(text.parameters.items()))),
        notes=notes,
        variable=variable,
    )


def _check_driver(driver: str) -> str:
    """Return the driver's name in SQLAlchemy: asyncpg if the URL names none."""
    name = driver or "asyncpg"
    package = _DRIVERS.get(name)
    if package is None:
        raise InvalidURLError(
            f"names the driver {name[:40]!r}, which is not {'asynchronous' if name in _SYNCHRONOUS else 'known here'}",
            f"Write postgresql://, which takes asyncpg, or {PSYCOPG}.",
        )
    if find_spec(package) is None:
        raise InvalidURLError(
            f"names the driver {name!r}, which is not installed",
            "Install it with `pip install 'psycopg[binary]'`, or write postgresql:// for asyncpg.",
        )
    return name


def _encode(text: str) -> str:
    return quote(text, safe="")


def _authority(host: Host, default_port: int | None) -> str:
    name = f"[{quote(host.name, safe=':')}]" if ":" in host.name else _encode(host.name)
    port = host.port or default_port
    return f"{name}:{port}" if port else name


def _show_host(host: Host) -> str:
    if host.is_socket:
        return f"{host.name}{'' if host.port in {None, DEFAULT_PORT} else f':{host.port}'} (socket)"
    return f"{f'[{host.name}]' if ':' in host.name else host.name}:{host.port or DEFAULT_PORT}"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
