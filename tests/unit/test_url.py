"""The database URL without a server: what is accepted, what it becomes, what is refused and in which words."""

import copy
import importlib.util
import os
import ssl
import string
from urllib.parse import quote

import pytest
import trustme
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from psycopg import pq
from sqlalchemy import make_url

from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL, normalize_database_url
from app.postgres.url.parameters import FOREIGN, LIBPQ, Treatment

SECRET = "s3cr3t-Pa55w0rd"


@pytest.fixture(autouse=True)
def no_libpq_variables(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def refusal(url: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        normalize_database_url(url)
    return caught.value


@pytest.mark.parametrize(
    ("given_url", "rendered"),
    [
        ("postgresql://u:p@h:5432/db", "postgresql+asyncpg://u:p@h:5432/db"),
        ("postgres://u:p@h:5432/db", "postgresql+asyncpg://u:p@h:5432/db"),
        ("PostgreSQL://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
        ("postgres+asyncpg://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
        ("postgresql+asyncpg://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
        ("postgresql+psycopg://u:p@h/db", "postgresql+psycopg://u:p@h/db"),
        ("postgresql+psycopg_async://u:p@h/db", "postgresql+psycopg_async://u:p@h/db"),
        ("  postgresql://u:p@h/db\n", "postgresql+asyncpg://u:p@h/db"),
        ("postgresql://", "postgresql+asyncpg://"),
        ("postgresql:///db", "postgresql+asyncpg:///db"),
        ("postgresql://h", "postgresql+asyncpg://h"),
        ("postgresql://u@h/", "postgresql+asyncpg://u@h"),
        ("postgresql://u:@h/db", "postgresql+asyncpg://u@h/db"),
        ("postgresql://:p@h/db", "postgresql+asyncpg://:p@h/db"),
        ("postgresql://h/db?user=u&password=p%26q", "postgresql+asyncpg://u:p%26q@h/db"),
        ("postgresql://u:p@h/?dbname=db", "postgresql+asyncpg://u:p@h/db"),
        ("postgresql://u:p@h/a?dbname=b&dbname=c", "postgresql+asyncpg://u:p@h/c"),
        ("postgresql://h1:7/db?host=h2", "postgresql+asyncpg://h2:7/db"),
        ("postgresql://u:a+b@h/db", "postgresql+asyncpg://u:a%2Bb@h/db"),
        ("postgresql://u:a:b#c?d@h/db", "postgresql+asyncpg://u:a%3Ab%23c%3Fd@h/db"),
        ("postgresql://u:pä@h/db", "postgresql+asyncpg://u:p%C3%A4@h/db"),
        ("postgresql://u@[::1]:5433/db", "postgresql+asyncpg://u@[::1]:5433/db"),
        ("postgresql://u@[fe80::1%25eth0]/db", "postgresql+asyncpg://u@[fe80::1%25eth0]/db"),
        ("postgresql://u@%2Frun%2Fpostgresql/db", "postgresql+asyncpg://u@/db?host=/run/postgresql"),
        ("postgresql://u@/db?host=/cloudsql/a:b:c", "postgresql+asyncpg://u@/db?host=/cloudsql/a:b:c"),
        ("postgresql://h1:1,h2:2/db", "postgresql+asyncpg:///db?host=h1%2Ch2&port=1%2C2"),
        ("postgresql://h/db?ssl=true", "postgresql+asyncpg://h/db?sslmode=require"),
        ("postgresql://h/db?ssl=verify-full", "postgresql+asyncpg://h/db?sslmode=verify-full"),
        ("postgresql://h/db?sslmode=disable&sslmode=require&", "postgresql+asyncpg://h/db?sslmode=require"),
        ("postgresql://h/db?application_name=a+b%20c", "postgresql+asyncpg://h/db?application_name=a%2Bb%20c"),
        ("postgresql://h/db?options=-csearch_path=x", "postgresql+asyncpg://h/db?options=-csearch_path%3Dx"),
    ],
)
def test_url_is_normalized_once_and_for_all(given_url: str, rendered: str) -> None:
    normalized = normalize_database_url(given_url)
    assert normalized.render() == rendered
    assert normalize_database_url(rendered) == normalized
    assert hash(normalize_database_url(rendered)) == hash(normalized)


@pytest.mark.parametrize(
    ("url", "location", "host", "port", "database"),
    [
        (
            "postgresql://u:p@db.example.com/plimsoll",
            "db.example.com:5432/plimsoll",
            "db.example.com",
            5432,
            "plimsoll",
        ),
        ("postgresql://u:p@[::1]:6000/plimsoll", "[::1]:6000/plimsoll", "::1", 6000, "plimsoll"),
        ("postgresql:///p?host=/run/postgresql", "/run/postgresql (socket)/p", "/run/postgresql", 5432, "p"),
        ("postgresql:///p?host=/run/pg&port=1", "/run/pg:1 (socket)/p", "/run/pg", 1, "p"),
        ("postgresql://u:p@h1,h2,h3:7/p?port=6", "h1:6, h2:6, h3:6/p", "h1", 6, "p"),
        ("postgresql://u:p@h1,h2:7/p", "h1:5432, h2:7/p", "h1", 5432, "p"),
        ("postgresql://u:p@h", "h:5432", "h", 5432, None),
        ("postgresql://u:p@:6000/p", "(default host)/p", None, 6000, "p"),
        ("postgresql://u:p@h/a%0Ab", "h:5432/a\\nb", "h", 5432, "a\nb"),
    ],
)
def test_location_says_where_and_not_who(url: str, location: str, host: str, port: int, database: str) -> None:
    normalized = normalize_database_url(url)
    assert (normalized.location, normalized.host, normalized.port, normalized.database) == (
        location,
        host,
        port,
        database,
    )


@pytest.mark.parametrize(
    ("url", "problem", "remedy"),
    [
        ("", "is empty", "postgresql://user:password@host"),
        ("   ", "is empty", ""),
        (f'"postgresql://u:{SECRET}@h/db"', "quotation marks", "Remove them"),
        (f"postgresql://u:{SECRET}@h/db'", "quotation marks", "Remove them"),
        (f"psql postgresql://u:{SECRET}@h/db", "psql", "Remove it"),
        (f"psql 'postgresql://u:{SECRET}@h/db'", "quotation marks", "Remove them"),
        (f"DATABASE_URL=postgresql://u:{SECRET}@h/db", "NAME=", "Remove what stands before"),
        (f"export DATABASE_URL=postgresql://u:{SECRET}@h/db", "NAME=", "Remove what stands before"),
        (f"host=h dbname=db password={SECRET}", "libpq's keywords", "postgresql://user:password@host"),
        (f"jdbc:postgresql://h/db?password={SECRET}", "JDBC", "Remove `jdbc:`"),
        (f"jdbc:mysql://h/db?password={SECRET}", "another database", "Only PostgreSQL"),
        ("sqlite:///app.db", "another database", "Only PostgreSQL"),
        ("sqlite+aiosqlite:///app.db", "another database", "Only PostgreSQL"),
        (f"mysql+pymysql://u:{SECRET}@h/db", "another database", "Only PostgreSQL"),
        (f"mongodb+srv://u:{SECRET}@h/db", "another database", "Only PostgreSQL"),
        ("https://project.example.com", "web address", "connection string"),
        (f"postgresql:u:{SECRET}@h/db", "lacks the //", "postgresql://"),
        ("postgresql", "no database URL", "postgresql://"),
        (f"u:{SECRET}@h/db", "no database URL", "postgresql://"),
        ("//h/db", "no database URL", "postgresql://"),
        ("pgsql://h/db", "no database URL", "postgresql://"),
        (f"postgresql+psycopg2://u:{SECRET}@h/db", "'psycopg2', which is not asynchronous", "postgresql+psycopg://"),
        (f"postgresql+pg8000://u:{SECRET}@h/db", "'pg8000', which is not asynchronous", "postgresql+psycopg://"),
        (f"postgresql+psycopg3://u:{SECRET}@h/db", "'psycopg3', which is not known", "postgresql+psycopg://"),
        ("postgresql://u:*******@h/db", "masked", "Copy the URL again"),
        ("postgresql://u:[YOUR-PASSWORD]@h/db", "placeholder", "percent-encoded"),
        ("postgresql://u:<password>@h/db", "placeholder", "percent-encoded"),
        (f"postgresql://u:{SECRET}\n@h/db", "line break", "%0A"),
        (f"postgresql://u:{SECRET}@x@h/db", "an @", "%40"),
        (f"postgresql://u:{SECRET}/x@h/db", "an @", "%2F"),
        (f"postgresql://u:12/{SECRET}?a=b@h/db", "an @", "%2F"),
        (f"postgresql://u:{SECRET}%@h/db", "% in the password", "%25"),
        (f"postgresql://u:{SECRET}%zz@h/db", "% in the password", "%25"),
        (f"postgresql://u:{SECRET}%FF@h/db", "not UTF-8", "UTF-8"),
        (f"postgresql://u:{SECRET}\udcff@h/db", "not UTF-8", "percent-encoded"),
        (f"postgresql://u:{SECRET}%00@h/db", "%00", "remove"),
        (f"postgresql://u:{SECRET}", "port that is no number", "%2F"),
        ("postgresql://h:0/db", "port that is no number", ""),
        ("postgresql://h:65536/db", "port that is no number", ""),
        ("postgresql://h:5432x/db", "port that is no number", ""),
        ("postgresql://h:٥٤/db", "port that is no number", ""),
        ("postgresql://::1:5432/db", "port that is no number", "[::1]:5432"),
        ("postgresql://[::1/db", "brackets", "[::1]:5432"),
        ("postgresql://h1,,h2/db", "empty name", "host1"),
        ("postgresql://h1,h2/db?port=1,2,3", "2 hosts and 3 ports", "one for all"),
        ("postgresql:///db?host=h:5432", "port inside host=", "port=5432"),
        ("postgresql://my host/db", "space", ""),
        ("postgresql://h/db?sslmode", "no =", "?name=value"),
        ("postgresql://h/db?sslmode=require;channel_binding=require", "more than one", "?name=value"),
        ("postgresql://h/db?sslmode=", "sslmode=''", "verify-full"),
        ("postgresql://h/db?sslmode=no-verify", "sslmode='no-verify'", "Write sslmode=require"),
        ("postgresql://h/db?ssl=no-verify", "ssl='no-verify'", "Write sslmode=require"),
        ("postgresql://h/db?ssl=false", "ssl='false'", "Write sslmode=disable"),
        ("postgresql://h/db?ssl=0", "ssl='0'", "Write sslmode=disable"),
        ("postgresql://h/db?ssl=1", "ssl='1'", "Write sslmode=require"),
        ("postgresql://h/db?ssl=True", "ssl='True'", "Write sslmode=require"),
        ("postgresql://h/db?sslmode=true", "sslmode='true'", "Write sslmode=require"),
        ("postgresql://h/db?sslmode=REQUIRED", "sslmode='REQUIRED'", "Write sslmode=require"),
        ("postgresql://h/db?sslmode=Verify_Full", "sslmode='Verify_Full'", "Write sslmode=verify-full"),
        ("postgresql://h/db?sslmode=VERIFY_IDENTITY", "sslmode='VERIFY_IDENTITY'", "Write sslmode=verify-full"),
        ("postgresql://h/db?sslmode=sure", "sslmode='sure'", "one of disable"),
        ("postgresql://h/db?sslmode=require&ssl=maybe", "ssl='maybe'", "one of disable"),
        ("postgresql://h/db?sslrootcert=", "sslrootcert=''", "not empty"),
        ("postgresql://h/db?connect_timeout=5s", "connect_timeout='5s'", "whole number"),
        ("postgresql://h/db?target_session_attrs=master", "target_session_attrs='master'", "read-write"),
        ("postgresql://h/db?sslmod=require", "`sslmod`", "`sslmode`"),
        ("postgresql://h/db?aplication_name=x", "`aplication_name`", "`application_name`"),
        ("postgresql://h/db?connection_timeout=5", "`connection_timeout`", "`connect_timeout`"),
        ("postgresql://h/db?unix_sock=/run", "`unix_sock`", "Write host=/directory"),
        ("postgresql://h/db?sslaccept=strict", "`sslaccept`", "Write sslmode=verify-full"),
        ("postgresql://h/db?flavour=x", "`flavour`", "PostgreSQL has none that is called so"),
        ("postgresql://h/db?timezone=UTC", "`timezone`", "PostgreSQL has none that is called so"),
        (f"postgresql://h/db?password=x&{SECRET.replace('-', '_')}=x", "(its name is not shown)", "%26"),
        ("postgresql://h/db?schema=public", "`schema`", "options=-csearch_path"),
        ("postgresql://h/db?connection_limit=1", "`connection_limit`", "the application's settings"),
        ("postgresql://h/db?prepared_statement_cache_size=0", "`prepared_statement_cache_size`", "pgbouncer=true"),
    ],
)
def test_what_is_no_usable_url_is_refused_with_what_to_write(url: str, problem: str, remedy: str) -> None:
    error = refusal(url)
    assert problem in error.problem
    assert remedy in error.remedy
    assert SECRET not in str(error)
    assert error.variable == "DATABASE_URL"


def test_error_names_the_variable_it_was_told() -> None:
    with pytest.raises(SettingsError, match=r"^TEST_DATABASE_URL is empty"):
        normalize_database_url("", "TEST_DATABASE_URL")


def test_missing_psycopg_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.postgres.url.database_url.find_spec", lambda name: importlib.util.find_spec(f"no_{name}"))
    assert "pip install 'psycopg[binary]'" in refusal("postgresql+psycopg://h/db").remedy


@pytest.mark.parametrize(
    "query",
    [
        "gssencmode=require",
        "gssdelegation=1",
        "hostaddr=127.0.0.1",
        "require_auth=scram-sha-256",
        "requirepeer=postgres",
        "sslcertmode=require",
        "sslcertmode=disable",
        "sslcrldir=/etc",
        "sslsni=0",
        "sslkeylogfile=/tmp/keys",
        "ssl_max_protocol_version=TLSv1.1",
        "min_protocol_version=3.2",
        "client_encoding=latin1",
        "replication=database",
        "service=prod",
        "scram_client_key=x",
        "oauth_issuer=https://example.com",
    ],
)
def test_parameter_that_asyncpg_cannot_honour_is_refused_and_psycopg_takes_it(query: str) -> None:
    error = refusal(f"postgresql://h/db?{query}")
    name, _, value = query.partition("=")
    assert name in error.problem
    assert "postgresql+psycopg://" in error.remedy
    assert normalize_database_url(f"postgresql+psycopg://h/db?{query}").connect_args == {name: value}


@pytest.mark.parametrize(
    "query",
    [
        "channel_binding=prefer",
        "channel_binding=disable",
        "client_encoding=utf8",
        "gssencmode=prefer",
        "keepalives=1",
        "keepalives_idle=30",
        "keepalives_interval=5",
        "keepalives_count=3",
        "tcp_user_timeout=1000",
        "sslcompression=0",
        "sslsni=1",
        "sslcertmode=allow",
        "max_protocol_version=latest",
        "min_protocol_version=3.0",
        "replication=false",
        "supa=base-pooler.x",
        "uselibpqcompat=true",
        "ssl_min_protocol_version=TLSv1.1",
    ],
)
def test_harmless_parameter_is_dropped_and_noted(query: str) -> None:
    normalized = normalize_database_url(f"postgresql://h/db?sslmode=prefer&{query}")
    assert query.partition("=")[0] in normalized.notes[0]
    assert normalized.connect_args in ({"ssl": "prefer"}, {"dsn": "postgresql://?sslmode=prefer"})


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sslrootcert=/ca.pem", "without an sslmode"),
        ("sslmode=prefer&sslrootcert=/ca.pem", "without an sslmode"),
        ("sslmode=allow&sslcrl=/ca.crl", "without an sslmode"),
        ("sslmode=require&sslrootcert=system", "weaker sslmode"),
        ("sslmode=prefer&sslnegotiation=direct", "may do without TLS"),
        ("sslnegotiation=direct", "may do without TLS"),
        ("sslmode=disable&channel_binding=require", "only TLS can be bound to"),
        ("ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", "above"),
    ],
)
def test_contradicting_tls_parameters_are_refused(query: str, problem: str) -> None:
    assert problem in refusal(f"postgresql://h/db?{query}").problem


@pytest.mark.parametrize("host", ["postgresql:///db?host=/run&", "postgresql:///db?"])
def test_channel_binding_without_tls_is_refused(host: str) -> None:
    assert "Unix socket" in refusal(f"{host}channel_binding=require").problem


@pytest.mark.parametrize(
    ("query", "verify", "check_hostname"),
    [
        ("sslmode=require", ssl.CERT_NONE, False),
        ("sslmode=require&sslrootcert={ca}", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-ca&sslrootcert={ca}", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-full&sslrootcert={ca}", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-full&sslrootcert=system", ssl.CERT_REQUIRED, True),
        ("sslrootcert=system", ssl.CERT_REQUIRED, True),
        ("sslmode=require&channel_binding=require", ssl.CERT_REQUIRED, True),
        ("channel_binding=require", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-ca&channel_binding=require&sslrootcert={ca}", ssl.CERT_REQUIRED, True),
        ("sslmode=prefer&channel_binding=require&sslrootcert={ca}", ssl.CERT_REQUIRED, True),
    ],
)
def test_tls_context_verifies_what_the_mode_says(query: str, verify: int, check_hostname: bool, tmp_path) -> None:
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    context = normalize_database_url(f"postgresql://h/db?{query.format(ca=ca)}").connect_args["ssl"]
    assert (context.verify_mode, context.check_hostname) == (verify, check_hostname)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_channel_binding_answered_by_verification_is_noted() -> None:
    url = normalize_database_url("postgresql://h/db?sslmode=require&channel_binding=require")
    assert "certificate is verified" in url.notes[0]
    native = normalize_database_url("postgresql+psycopg://h/db?sslmode=require&channel_binding=require")
    assert native.connect_args == {"sslmode": "require", "channel_binding": "require"}
    assert native.notes == ()
    assert "channel_binding=require" in url.libpq


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_verification_without_an_authority_is_an_error(mode: str) -> None:
    url = normalize_database_url(f"postgresql://h/db?sslmode={mode}", "MIGRATION_DATABASE_URL")
    with pytest.raises(SettingsError, match=r"^MIGRATION_DATABASE_URL .*sslrootcert=system"):
        _ = url.connect_args
    assert "ssl" not in normalize_database_url(f"postgresql:///db?sslmode={mode}&host=/run").connect_args


@pytest.mark.parametrize("name", ["sslrootcert", "sslcrl", "sslcert"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unusable_tls_file_is_a_settings_error(name: str, content: str | None, tmp_path) -> None:
    ca, path = tmp_path / "ca.pem", tmp_path / "file.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    if content:
        path.write_text(content)
    url = normalize_database_url(f"postgresql://h/db?sslmode=verify-ca&sslrootcert={ca}&{name}={path}")
    with pytest.raises(SettingsError, match=f"file.pem' for .*{name}"):
        _ = url.connect_args


def test_files_and_variables_of_libpq_count(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    url = "postgresql://h/db?sslmode=require"
    assert normalize_database_url(url).connect_args["ssl"].verify_mode == ssl.CERT_NONE
    (tmp_path / ".postgresql").mkdir()
    trustme.CA().cert_pem.write_to_path(tmp_path / ".postgresql" / "root.crt")
    assert normalize_database_url(url).connect_args["ssl"].verify_mode == ssl.CERT_REQUIRED
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert normalize_database_url("postgresql://h/db").connect_args["ssl"].check_hostname


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"PGSSLMODE": "nonsense"}, "has sslmode='nonsense', from PGSSLMODE"),
        ({"PGSSLNEGOTIATION": "x"}, "has sslnegotiation='x', from PGSSLNEGOTIATION"),
        ({"PGCHANNELBINDING": "x"}, "has channel_binding='x', from PGCHANNELBINDING"),
        ({"PGSSLMINPROTOCOLVERSION": "TLSv9"}, "from PGSSLMINPROTOCOLVERSION"),
        ({"PGSSLMAXPROTOCOLVERSION": "TLSv1"}, "from PGSSLMAXPROTOCOLVERSION"),
        (
            {"PGSSLMINPROTOCOLVERSION": "TLSv1.3", "PGSSLMAXPROTOCOLVERSION": "TLSv1.2"},
            "with PGSSLMINPROTOCOLVERSION and PGSSLMAXPROTOCOLVERSION of the environment",
        ),
        (
            {"PGSSLMODE": "disable", "PGCHANNELBINDING": "require"},
            "with PGSSLMODE and PGCHANNELBINDING of the environment",
        ),
        ({"PGSSLNEGOTIATION": "direct"}, "with PGSSLNEGOTIATION of the environment"),
    ],
)
def test_variable_of_libpq_that_cannot_be_used_is_a_settings_error_with_its_name(
    variables: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert problem in refusal("postgresql://h/db").problem
    normalize_database_url("postgresql:///db?host=/run")


@pytest.mark.parametrize("variable", ["PGSSLCERT", "PGSSLKEY"])
def test_missing_file_of_a_variable_is_a_settings_error_where_tls_may_be_left_out(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/nowhere/file.pem")
    with pytest.raises(SettingsError, match=r"file.pem' for ssl(cert|key), which cannot be used"):
        _ = normalize_database_url("postgresql://h/db").connect_args


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgresql://h/db", {"ssl": "prefer"}),
        ("postgresql://h/db?sslmode=disable", {"ssl": False}),
        ("postgresql://h/db?sslmode=allow", {"ssl": "allow"}),
        ("postgresql:///db?host=/run&port=6", {"host": "/run", "port": 6}),
        ("postgresql://h/db?connect_timeout=7&sslmode=disable", {"ssl": False, "timeout": 7}),
        ("postgresql://h/db?connect_timeout=0&sslmode=disable", {"ssl": False, "timeout": None}),
        ("postgresql://h/db?connect_timeout=-1&sslmode=disable", {"ssl": False, "timeout": None}),
        (
            "postgresql://h/db?fallback_application_name=a&options=-cx%3D1&ssl=disable",
            {"ssl": False, "server_settings": {"application_name": "a", "options": "-cx=1"}},
        ),
        (
            "postgresql://h/db?fallback_application_name=a&application_name=b&ssl=disable",
            {"ssl": False, "server_settings": {"application_name": "b"}},
        ),
        (
            "postgresql://h/db?ssl=disable&passfile=/p&krbsrvname=k&gsslib=gssapi&target_session_attrs=any",
            {"ssl": False, "passfile": "/p", "krbsrvname": "k", "gsslib": "gssapi", "target_session_attrs": "any"},
        ),
        ("postgresql+psycopg://h/db?connect_timeout=7", {"connect_timeout": "7"}),
        ("postgresql+psycopg://h/db?connect_timeout=0", {}),
        ("postgresql+psycopg://h1,h2:6/db", {"host": "h1,h2", "port": "5432,6"}),
        ("postgresql+psycopg:///db?host=/run", {"host": "/run", "port": "5432"}),
        ("postgresql+psycopg://h/db?pgbouncer=true&supa=x", {"prepare_threshold": None}),
    ],
)
def test_parameters_reach_the_driver_in_its_own_words(url: str, arguments: dict[str, object]) -> None:
    assert normalize_database_url(url).connect_args == arguments


def test_several_hosts_share_out_the_time_of_all() -> None:
    arguments = normalize_database_url("postgresql://h1,h2/db?connect_timeout=3&ssl=disable").connect_args
    assert (arguments["host"], arguments["port"], arguments["timeout"]) == (["h1", "h2"], [5432, 5432], 6)


def test_pooler_gets_no_shared_statements() -> None:
    arguments = normalize_database_url("postgresql://h/db?pgbouncer=true").connect_args
    assert (arguments["statement_cache_size"], arguments["prepared_statement_cache_size"]) == (0, 0)
    assert arguments["prepared_statement_name_func"]() == ""


def test_caller_may_change_the_arguments() -> None:
    url = normalize_database_url("postgresql://h/db?application_name=a")
    url.connect_args["server_settings"]["application_name"] = "b"
    assert url.connect_args["server_settings"] == {"application_name": "a"}


def test_url_is_immutable() -> None:
    url = normalize_database_url("postgresql://h/db?application_name=a")
    with pytest.raises(AttributeError):
        url.user = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        url.parameters["application_name"] = "b"  # type: ignore[index]
    assert copy.copy(url) == url


def test_libpq_uri_is_plain_and_leaves_foreign_parameters_out() -> None:
    url = normalize_database_url(f"postgresql+asyncpg://u:{SECRET}@h/db?pgbouncer=true&sslpassword=x&sslmode=require")
    assert url.libpq == f"postgresql://u:{SECRET}@h:5432/db?sslmode=require&sslpassword=x"
    assert url.libpq_without_password == "postgresql://u@h:5432/db?sslmode=require"


def test_every_parameter_of_libpq_has_a_rule() -> None:
    assert {option.keyword.decode() for option in pq.Conninfo.get_defaults()} <= LIBPQ.keys() | {
        "user",
        "password",
        "host",
        "port",
        "dbname",
    }
    for name, rule in [*LIBPQ.items(), *FOREIGN.items()]:
        treatments = {rule.treatment, *rule.exceptions.values()}
        assert rule.because or treatments == {Treatment.HONOURED}, f"{name} does not say why"


# Anything that PostgreSQL can store in a name or a password: no zero byte, and UTF-8.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
DRIVER = st.sampled_from(["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
HOST = st.sampled_from(["h", "h:6000", "[::1]:5432", "h1:1,h2", "", "%2Frun%2Fpostgresql", "[fe80::1%25eth0]"])


def encode(text: str) -> str:
    return quote(text, safe="")


@given(DRIVER, TEXT, TEXT, HOST, TEXT, st.dictionaries(st.sampled_from(["options", "application_name"]), TEXT))
@example("postgresql", "u", "%@:/ +#?&=", "h", "a%b/c", {})
@example("postgresql", "u", "***", "h", "'", {"options": "-c search_path=x"})
@settings(deadline=None, max_examples=150)
def test_any_text_survives_and_the_second_time_changes_nothing(
    scheme: str, user: str, password: str, host: str, database: str, parameters: dict[str, str]
) -> None:
    query = "&".join(f"{name}={encode(value)}" for name, value in parameters.items())
    url = normalize_database_url(f"{scheme}://{encode(user)}:{encode(password)}@{host}/{encode(database)}?{query}")
    again = normalize_database_url(url.render())
    assert again == url
    assert again.render() == url.render()
    assert (url.sqlalchemy.username, url.sqlalchemy.password, url.sqlalchemy.database) == (user, password, database)
    # SQLAlchemy and libpq itself read out of our texts what was put in.
    assert make_url(url.render()).password == password
    by_libpq = libpq_reading(url.libpq)
    assert (by_libpq["user"], by_libpq["password"], by_libpq["dbname"]) == (user, password, database)
    assert {name: by_libpq[name] for name in parameters} == parameters


def libpq_reading(uri: str) -> dict[str, str]:
    return {
        option.keyword.decode(): option.val.decode()
        for option in pq.Conninfo.parse(uri.encode())
        if option.val is not None
    }


TOKENS = "a b u h : / @ ? & = % [ ] , . + # %2F %40 %20 :5432 [::1] h1,h2 user= password= host= port= dbname= 5".split()  # noqa: SIM905


@given(st.lists(st.sampled_from([*TOKENS, " "]), max_size=12).map("".join))
@example("u:p?x@h/db")
@example("h1:7/d?host=b")
@example("u:a:b@h,[::1]:2/d?user=x&port=5")
@settings(deadline=None, max_examples=400)
def test_what_we_accept_means_the_same_to_libpq(rest: str) -> None:
    try:
        url = normalize_database_url(f"postgresql://{rest}")
    except SettingsError:
        return
    assume(url.parameters == {})
    ours, theirs = libpq_reading(url.libpq), libpq_reading(f"postgresql://{rest}".strip())
    for name in ("user", "password", "dbname"):
        assert ours.get(name, "") == theirs.get(name, "")
    # Brackets in `host=` are left out here, and an address that libpq does not know.
    assert [host.name for host in url.hosts] == [name.strip("[]") for name in theirs.get("host", "").split(",") if name]


@given(st.text(string.ascii_letters + string.digits, min_size=10, max_size=30), st.text(max_size=10), st.data())
@settings(deadline=None, max_examples=200)
def test_password_shows_nowhere(middle: str, noise: str, data: st.DataObject) -> None:
    """Wherever stray characters break the URL, no error and no text of the value holds the password."""
    stray = data.draw(
        st.sampled_from(["", "@", "/", ":", "%", "?", "#", " ", "[", "]", "\n", "'", "%zz", "&a=b", noise])
    )
    template = data.draw(
        st.sampled_from(
            [
                "postgresql://user:{}@host:5432/db",
                "postgresql+psycopg://user:{}@h1,h2/db?sslmode=require",
                "postgresql+mysql://user:{}@host/db",
                "postgresql://host/db?user=x&password={}",
                "postgresql://user:{}@host/db?sslmode=verify-full",
                "postgresql://user@host/db?sslmode=allow&sslcert=/none&sslpassword={}",
                "host=h password={}",
                "'postgresql://user:{}@host/db'",
            ]
        )
    )
    secret = f"Zq{middle}"
    assert secret not in all_that_is_shown(template.format(stray + secret + stray))


def all_that_is_shown(url: str) -> str:
    try:
        value = normalize_database_url(url)
        _ = value.connect_args
    except SettingsError as error:
        return f"{error} {error!r} {error.problem} {error.remedy}"
    return f"{value} {value!r} {value.location} {value.sqlalchemy!r} {value.libpq_without_password} {value.notes}"


def test_masked_text_still_tells_the_rest() -> None:
    url: DatabaseURL = normalize_database_url(f"postgresql://u:{SECRET}@h/db?sslpassword={SECRET}&sslmode=require")
    assert str(url) == "postgresql+asyncpg://u:***@h/db?sslmode=require&sslpassword=***"
    assert repr(url) == f"DatabaseURL({str(url)!r})"
