"""Split the text of a database URL by libpq's rules (PostgreSQL documentation, 34.1.1.2, connection URIs).

`urllib.parse` drops tabs and line breaks in silence, ends a password at `?` or `#`, and reads `+` as a space. A problem
never quotes the text itself, since a misplaced separator can put a piece of the password anywhere.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

_HIGHEST_PORT = 65_535
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # Stands for a byte that is no UTF-8.
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
EXAMPLE = "postgresql://user:password@host:5432/database"


class InvalidURLError(Exception):
    """A database URL is wrong; a SettingsError takes over its problem and what to write instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(problem)


class Host(NamedTuple):
    """One server: a name, an address, or the directory of a Unix socket; `port` is None where the URL has none."""

    name: str
    port: int | None

    @property
    def is_socket(self) -> bool:
        return self.name.startswith("/")


class URLMisuse(NamedTuple):
    """A text that people paste and that is no URL of ours, and what to do about it."""

    pattern: re.Pattern[str]
    problem: str
    remedy: str


def _misuse(pattern: str, problem: str, remedy: str) -> URLMisuse:
    return URLMisuse(re.compile(pattern, re.IGNORECASE | re.DOTALL), problem, remedy)


_WRITE = f"Write it as {EXAMPLE}."
_OTHER_DATABASES = (
    "sqlite mysql mariadb oracle mssql sqlserver mongodb redis rediss clickhouse duckdb cockroachdb crdb snowflake"
)
# The first pattern that fits decides.
_MISUSES = (
    _misuse(r"\Z", "is empty", _WRITE),
    _misuse(
        r"""['"`\u2018\u201c\xab]|.*['"`\u2019\u201d\xbb]\Z""",
        "is in quotation marks",
        "Remove them: the value starts with postgresql://.",
    ),
    _misuse(r"psql\b", "starts with the command `psql`", "Remove it and its quotation marks and leave the URL."),
    _misuse(
        r"(export\s+)?\w+\s*=\s*['\"]?[\w+]+:", "holds `NAME=` as well", "Remove what stands before postgresql://."
    ),
    _misuse(r"\w+\s*=", "is a list of libpq's keywords", f"{_WRITE} Further keywords follow as ?sslmode=require&…"),
    _misuse(
        r"jdbc:postgres",
        "is a JDBC URL",
        f"Remove `jdbc:` and put user and password in front of the host: {EXAMPLE}.",
    ),
    _misuse(
        rf"(jdbc:)?({_OTHER_DATABASES.replace(' ', '|')})(\+\w+)*:",
        "is of another database",
        f"Only PostgreSQL: {EXAMPLE}.",
    ),
    _misuse(r"https?:", "is a web address", f"Take the provider's connection string: {EXAMPLE}."),
    _misuse(r"postgres(ql)?(\+\w+)?:(?!//)", "lacks the // behind the scheme", _WRITE),
    _misuse(r"(?!postgres(ql)?(\+\w*)?://)", "is no database URL", _WRITE),
    # Unencoded on purpose: a real password of this kind can still be given as %2A%2A%2A or %5BYOUR-PASSWORD%5D.
    _misuse(r"[^/]+//[^:@/]*:\*{3,}@", "has a masked password", "Copy the URL again with the password shown."),
    _misuse(
        r"[^/]+//[^:@/]*:[\[<{]+(your[-_ ]?)?(db[-_ ]?)?password[\]>}]+@",
        "has a placeholder in place of the password",
        "Put the password there, percent-encoded.",
    ),
    _misuse(
        r".*[\x00-\x20\x7f]",
        "holds a space, a line break or another control character",
        "Remove it; what belongs to a password or an option is percent-encoded: %20 for a space, %0A for a line break.",
    ),
)


class URLText(NamedTuple):
    """A database URL in pieces, all percent-decoded; of a part that is given twice the last one counts, as in libpq.

    With `secret_in_query` the name of a parameter may be what follows an unencoded `&` of a password.
    """

    driver: str
    parts: dict[str, str]
    parameters: dict[str, str]
    secret_in_query: bool


# Parts that the query may name, too; an empty one counts as missing.
_PARTS = ("user", "password", "host", "port", "dbname")
_TEXTS_THAT_MAY_BE_EMPTY = ("options", "application_name", "fallback_application_name")


def split_url(url: str) -> URLText:
    """Return the URL in pieces. Raises InvalidURLError for what libpq would refuse or misunderstand."""
    text = url.strip()
    if _SURROGATE.search(text):
        raise InvalidURLError("is not UTF-8", "Write other characters percent-encoded, as UTF-8.")
    for misuse in _MISUSES:
        if misuse.pattern.match(text):
            raise InvalidURLError(misuse.problem, misuse.remedy)
    scheme, _, rest = text.partition("://")
    if rest.count("@") > 1 or ("@" in rest and "/" in rest.partition("@")[0]):
        raise InvalidURLError(
            "has an @ where none can stand",
            "Only the @ in front of the host stays as it is: elsewhere write %40 for @, and %2F for / in a password.",
        )
    before_host, _, rest = rest.rpartition("@")
    user, _, password = before_host.partition(":")
    authority, path, query = _split_rest(rest)
    host, port = _read_authority(authority)
    queried = _read_query(query)
    given = {
        "user": decode(user, "the user"),
        "password": decode(password, "the password"),
        "host": host,
        "port": port,
        "dbname": decode(path, "the database's name"),
        **queried,
    }
    parts = {name: given.pop(name) for name in _PARTS if name in given}
    parameters = {name: value for name, value in given.items() if value or name not in _TEXTS_THAT_MAY_BE_EMPTY}
    return URLText(
        driver=scheme.partition("+")[2],
        parts={name: value for name, value in parts.items() if value},
        parameters=parameters,
        secret_in_query=not queried.keys().isdisjoint({"password", "sslpassword"}),
    )


def decode(text: str, what: str) -> str:
    """Return the percent-decoded text; `+` stays `+`, as in libpq.

    Raises InvalidURLError, which names `what` but does not show the text.
    """
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise InvalidURLError(f"has a % in {what} that no two hexadecimal digits follow", "Write %25 for a % sign.")
    decoded = unquote(text, errors="surrogateescape")
    if _SURROGATE.search(decoded):
        raise InvalidURLError(f"has percent-encoded bytes in {what} that are not UTF-8", "Encode as UTF-8.")
    if "\0" in decoded:
        raise InvalidURLError(f"has a zero byte (%00) in {what}", "PostgreSQL takes none: remove it.")
    return decoded


def read_hosts(names: str, ports: str) -> tuple[Host, ...]:
    """Return the hosts of libpq's lists `host` and `port`: as many ports as hosts, or one for all, or none."""
    if not names:
        return ()
    hosts = [_host_name(name) for name in names.split(",")]
    numbers = [read_port(port) for port in ports.split(",")]
    if len(numbers) == 1:
        numbers *= len(hosts)
    if len(numbers) != len(hosts):
        raise InvalidURLError(
            f"has {len(hosts)} hosts and {len(numbers)} ports", "Give one port for each host, or one for all."
        )
    return tuple(map(Host, hosts, numbers))


def read_port(text: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= _HIGHEST_PORT:
        raise InvalidURLError(
            "has a port that is no number from 1 to 65535",
            f"{_WRITE} A / or : in a password is written %2F or %3A, an IPv6 address in brackets: [::1]:5432.",
        )
    return int(text)


def _host_name(name: str) -> str:
    """Return the name without the brackets of an IPv6 address; the directory of a socket may hold a colon."""
    name = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if not name:
        raise InvalidURLError("has an empty name in its list of hosts", "Name every host: host1:5432,host2:5432.")
    if re.search(r"[\s@\[\]]", name) or not name.isprintable():
        raise InvalidURLError("has a host with a space, a bracket or an @ in it", _WRITE)
    if ":" in name and not name.startswith("/") and not re.fullmatch(r"[0-9A-Fa-f:.]+(%\w+)?", name):
        raise InvalidURLError("has a port inside host=", "Write host=name&port=5432.")
    return name


def _split_rest(rest: str) -> tuple[str, str, str]:
    """Return authority, path and query of `host:port/database?query`."""
    before_query, _, query = rest.partition("?")
    authority, _, path = before_query.partition("/")
    return authority, path, query


def _read_authority(authority: str) -> tuple[str, str]:
    """Return the hosts and the ports of `host1:port1,[::1]:port2` as libpq's two lists."""
    if not authority:
        return "", ""
    names, ports = [], []
    for item in authority.split(","):
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::(.*))?", item)
        if match is None:
            raise InvalidURLError("has a host with unpaired brackets", "An IPv6 address is written as [::1]:5432.")
        names.append(decode(match[1], "a host"))
        ports.append(decode(match[2] or "", "a port"))
    return ",".join(names), ",".join(ports) if any(ports) else ""


def _read_query(query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for item in query.removesuffix("&").split("&") if query else ():
        name, equals, value = item.partition("=")
        name = decode(name, "a parameter's name")
        # As strict as libpq, so that `sslmode=require;channel_binding=require` does not pass for one value; `options`
        # is where people write -csearch_path=x, and its meaning is plain.
        if not equals or ("=" in value and name != "options"):
            raise InvalidURLError(
                "has a parameter with no = or with more than one",
                "Parameters are written ?name=value&name=value, and within a value %3D for =, %26 for &.",
            )
        value = decode(value, "a parameter")
        name, value = _ssl_alias(value) if name == "ssl" else (name, value)
        given[name] = value
    return given


def _ssl_alias(value: str) -> tuple[str, str]:
    """Return the parameter that `ssl=` stands for: `true` is libpq's concession to JDBC, a mode is asyncpg's keyword.

    Any other value keeps its name, so that `check_parameters` refuses it.
    """
    if value == "true":
        return "sslmode", "require"
    return "sslmode" if value in SSL_MODES else "ssl", value
