"""Database URLs against real servers, with both drivers: what people paste connects, and what must not does not."""

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.postgres.connect import open_connection
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import normalize_database_url
from tests.support.throwaway_postgres import (
    POSTGRES_BIN_PATH,
    Server,
    copy_as_standby,
    free_port,
    new_cluster,
    running,
)
from tests.support.tls_server import silent_server, tls_front
from tests.support.waiting import PATIENCE, loop_clock

PASSWORDS = ["plain", "%@:/ +#?&=", "100%25", "пароль ½ ª ü", "'\"\\", " a\n\tb "]
PG_HBA = "host all +by_password all scram-sha-256\nlocal all all trust\nhost all all all trust\n"
DRIVERS = ["postgresql", "postgresql+psycopg"]
# What connecting raises, wrapped by SQLAlchemy or not.
FAILURES = (DBAPIError, OSError)


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Server, Server]]:
    """A primary, and a standby that was cloned from it."""
    with new_cluster(PG_HBA) as directory:
        roles = [
            f'CREATE ROLE "user{n}" LOGIN IN ROLE by_password PASSWORD {literal(p)}' for n, p in enumerate(PASSWORDS)
        ]
        with running(directory) as server:
            server.execute("CREATE ROLE by_password", *roles, 'CREATE DATABASE "a%b/c d"', "CREATE ROLE app LOGIN")
            server.execute("CREATE DATABASE app")
        with running(copy_as_standby(directory)) as standby, running(directory) as primary:
            yield primary, standby


@pytest.fixture(scope="module")
def server(cluster: tuple[Server, Server]) -> Server:
    return cluster[0]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Certificates: `ca` of the server, `other` of nobody here, and a client's `cert` and `key`."""
    directory = tmp_path_factory.mktemp("tls")
    paths = {name: directory / f"{name}.pem" for name in ("ca", "other", "cert", "key")}
    authority.cert_pem.write_to_path(paths["ca"])
    trustme.CA().cert_pem.write_to_path(paths["other"])
    client = authority.issue_cert(common_name="app")
    client.private_key_pem.write_to_path(paths["key"])
    paths["key"].chmod(0o600)
    client.cert_chain_pems[0].write_to_path(paths["cert"])
    return paths


@pytest.fixture(autouse=True)
def no_files_of_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names or ("localhost", "127.0.0.1", "::1")).configure_cert(context)
    return context


async def ask(url: str, question: str = "SELECT current_user || ' in ' || current_database()") -> str:
    normalized = normalize_database_url(url)
    engine = create_async_engine(normalized.sqlalchemy, connect_args=normalized.connect_args, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return str((await connection.execute(text(question))).scalar_one())
    finally:
        await engine.dispose()


async def encrypted(url: str) -> bool:
    """Whether the session came in through TLS: asyncpg says so itself, for libpq the front has to be asked."""
    normalized = normalize_database_url(url)
    engine = create_async_engine(normalized.sqlalchemy, connect_args=normalized.connect_args, poolclass=NullPool)
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        if hasattr(raw, "pgconn"):
            return bool(raw.pgconn.ssl_in_use)
        return raw._transport.get_extra_info("ssl_object") is not None


# --- without TLS -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("mode", "connects"),
    [
        ("", True),
        ("disable", True),
        ("allow", True),
        ("prefer", True),
        ("require", False),
        ("verify-ca", False),
        ("verify-full", False),
    ],
)
async def test_sslmode_against_a_server_without_tls(driver: str, mode: str, connects: bool, server, files) -> None:
    roots = f"&sslrootcert={files['ca']}" if mode.startswith("verify") else ""
    url = f"{driver}://app@127.0.0.1:{server.port}/app?" + (f"sslmode={mode}{roots}" if mode else "")
    if connects:
        assert await ask(url) == "app in app"
    else:
        with pytest.raises(FAILURES):
            await ask(url)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "place",
    [
        "127.0.0.1:{port}/app",
        "[::1]:{port}/app",
        "localhost:{port}/app",
        "127.0.0.1:{port}",
        "127.0.0.1:{port}/",
        "/app?host={socket}&port={port}",
        "{encoded}:{port}/app",
        "/app?host=127.0.0.1&port={port}",
        "127.0.0.1/?port={port}&dbname=app",
    ],
)
async def test_every_way_to_name_the_server(driver: str, place: str, server) -> None:
    filled = place.format(port=server.port, socket=server.directory, encoded=quote(str(server.directory), safe=""))
    assert await ask(f"{driver}://app:@{filled}") == "app in app"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("number", range(len(PASSWORDS)))
async def test_passwords_of_all_kinds_under_scram(driver: str, number: int, server) -> None:
    password = quote(PASSWORDS[number], safe="")
    place = f"127.0.0.1:{server.port}/a%25b%2Fc%20d"
    expected = f"user{number} in a%b/c d"
    assert await ask(f"{driver}://user{number}:{password}@{place}") == expected
    assert await ask(f"{driver}://{place}?user=user{number}&password={password}") == expected
    assert await ask(normalize_database_url(f"{driver}://user{number}:{password}@{place}").render()) == expected
    with pytest.raises(DBAPIError if driver == "postgresql+psycopg" else Exception, match="password authentication"):
        await ask(f"{driver}://user{number}:{password}x@{place}")


def test_libpq_uri_serves_the_tools(server) -> None:
    url = normalize_database_url(
        f"postgresql://user1:{quote(PASSWORDS[1], safe='')}@127.0.0.1:{server.port}/a%25b%2Fc%20d"
    )
    command = [str(POSTGRES_BIN_PATH / "psql"), url.libpq_without_password, "-Atc", "SELECT current_database()"]
    assert url.password is not None
    environment = {"PGPASSWORD": url.password.reveal()}
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "a%b/c d\n"
    command[1] = url.libpq
    assert subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout == "a%b/c d\n"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("query", "question", "answer"),
    [
        ("application_name=my%20app+1", "SHOW application_name", "my app+1"),
        ("fallback_application_name=fall", "SHOW application_name", "fall"),
        ("options=-csearch_path%3Dx%20-cwork_mem=123kB", "SHOW search_path", "x"),
        ("options=-csearch_path%3Dx%20-cwork_mem=123kB", "SHOW work_mem", "123kB"),
        ("options=-c%20application_name=a%5C%20b", "SHOW application_name", "a b"),
        ("keepalives=1&keepalives_idle=30&tcp_user_timeout=5000&connect_timeout=0", "SELECT 1", "1"),
        ("client_encoding=utf8&gssencmode=prefer&channel_binding=prefer&sslcompression=0", "SELECT 'ü'", "ü"),
        ("target_session_attrs=read-write&load_balance_hosts=disable", "SELECT 1", "1"),
        ("pgbouncer=true&connect_timeout=5", "SELECT 1", "1"),
    ],
)
async def test_parameters_take_effect(driver: str, query: str, question: str, answer: str, server) -> None:
    assert await ask(f"{driver}://app@127.0.0.1:{server.port}/app?{query}", question) == answer


async def test_pgbouncer_mode_leaves_no_statement_behind(server) -> None:
    url = f"postgresql://app@127.0.0.1:{server.port}/app?pgbouncer=true"
    assert await ask(url, "SELECT count(*) FROM pg_prepared_statements") == "0"


async def test_password_file_is_read(server, tmp_path: Path) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"127.0.0.1:{server.port}:*:user0:{PASSWORDS[0]}\n")
    passfile.chmod(0o600)
    for driver in DRIVERS:
        url = f"{driver}://user0@127.0.0.1:{server.port}/app?passfile={passfile}"
        assert await ask(url) == "user0 in app"


# --- several hosts, time limits --------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_dead_first_host_does_not_matter(driver: str, server) -> None:
    assert await ask(f"{driver}://app@127.0.0.1:{free_port()},[::1]:{server.port}/app") == "app in app"
    assert await ask(f"{driver}://app@/app?host=/nowhere,{server.directory}&port={server.port}") == "app in app"
    assert (
        await ask(f"{driver}://app@127.0.0.1,localhost/app?port={server.port}&load_balance_hosts=random")
        == "app in app"
    )


async def test_a_silent_first_host_costs_its_own_time_only(server) -> None:
    async with silent_server() as silent, loop_clock() as clock:
        place = f"app@127.0.0.1:{silent},127.0.0.1:{server.port}/app?connect_timeout=2"
        assert await asyncio.gather(*(ask(f"{driver}://{place}") for driver in DRIVERS)) == ["app in app"] * 2
        assert clock() < 4


async def test_connect_timeout_ends_the_wait_for_a_silent_server() -> None:
    async with silent_server() as silent, loop_clock() as clock:
        asked = (ask(f"{driver}://app@127.0.0.1:{silent}/app?connect_timeout=2") for driver in DRIVERS)
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(outcome, FAILURES)
        assert clock() < 4


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("wanted", "standby_first", "in_recovery"),
    [
        ("any", True, "true"),
        ("primary", True, "false"),
        ("read-write", True, "false"),
        ("standby", False, "true"),
        ("read-only", False, "true"),
        ("prefer-standby", False, "true"),
    ],
)
async def test_target_session_attrs_picks_the_host(driver, wanted, standby_first, in_recovery, cluster) -> None:
    primary, standby = cluster
    ports = [standby.port, primary.port] if standby_first else [primary.port, standby.port]
    url = f"{driver}://app@127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/app?target_session_attrs={wanted}"
    assert await ask(url, "SELECT pg_is_in_recovery()::text") == in_recovery


@pytest.mark.parametrize("driver", DRIVERS)
async def test_prefer_standby_takes_the_primary_if_there_is_no_standby(driver: str, server) -> None:
    url = f"{driver}://app@127.0.0.1:{free_port()},127.0.0.1:{server.port}/app?target_session_attrs=prefer-standby"
    assert await ask(url) == "app in app"


@pytest.mark.parametrize("driver", DRIVERS)
async def test_read_write_turns_a_read_only_session_down(driver: str, server) -> None:
    query = "target_session_attrs=read-write&options=-cdefault_transaction_read_only%3Don"
    with pytest.raises(Exception, match=r"(?i)read-write|read-only"):
        await ask(f"{driver}://app@127.0.0.1:{server.port}/app?{query}")


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_wrong_password_ends_the_search_for_a_host(driver: str, server) -> None:
    with pytest.raises(Exception, match="password authentication"):
        await ask(f"{driver}://user0:wrong@/app?host=127.0.0.1,/nowhere&port={server.port}")


# --- with TLS --------------------------------------------------------------------------------------------------

THROUGH_TLS = {
    "": True,
    "disable": False,
    "allow": False,
    "prefer": True,
    "require": True,
    "verify-ca": True,
    "verify-full": True,
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("mode", "through_tls"), THROUGH_TLS.items())
async def test_sslmode_against_a_server_with_tls(driver, mode, through_tls, server, authority, files) -> None:
    roots = f"&sslrootcert={files['ca']}" if mode.startswith("verify") else ""
    async with tls_front(server.port, server_context(authority)) as port:
        url = f"{driver}://user0:plain@127.0.0.1:{port}/app?" + (f"sslmode={mode}{roots}" if mode else "")
        assert await ask(url) == "user0 in app"
        assert await encrypted(url) is through_tls


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("mode", "connects"), [("disable", False), ("allow", True), ("prefer", True), ("require", True)]
)
async def test_sslmode_against_a_server_with_nothing_but_tls(driver, mode, connects, server, authority) -> None:
    async with tls_front(server.port, server_context(authority), plain_too=False) as port:
        url = f"{driver}://app@127.0.0.1:{port}/app?sslmode={mode}"
        if connects:
            assert await encrypted(url)
        else:
            with pytest.raises(Exception, match="no encryption"):
                await ask(url)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("query", "names", "connects"),
    [
        ("sslmode=verify-ca&sslrootcert={ca}", ("elsewhere.example",), True),
        ("sslmode=require&sslrootcert={ca}", ("elsewhere.example",), True),
        ("sslmode=verify-full&sslrootcert={ca}", ("elsewhere.example",), False),
        ("sslmode=verify-full&sslrootcert={ca}", ("localhost",), True),
        ("sslmode=require", ("elsewhere.example",), True),
        ("sslmode=require&sslrootcert={other}", ("localhost",), False),
        ("sslmode=verify-ca&sslrootcert={other}", ("localhost",), False),
        ("sslmode=verify-full&sslrootcert={other}", ("localhost",), False),
        ("sslmode=verify-full&sslrootcert=system", ("localhost",), False),
        ("sslmode=require&sslrootcert={ca}&ssl_min_protocol_version=TLSv1.3", ("localhost",), True),
        ("sslmode=require&sslrootcert={ca}&ssl_max_protocol_version=TLSv1.2", ("localhost",), True),
    ],
)
async def test_the_certificate_is_verified_as_libpq_does(
    driver, query, names, connects, server, authority, files
) -> None:
    async with tls_front(server.port, server_context(authority, *names)) as port:
        url = f"{driver}://app@localhost:{port}/app?{query.format(**files)}"
        if connects:
            assert await encrypted(url)
        else:
            with pytest.raises(FAILURES, match=r"(?i)certificate"):
                await ask(url)


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1"])
async def test_addresses_are_verified_too(host: str, server, authority, files) -> None:
    async with tls_front(server.port, server_context(authority), host=host.strip("[]")) as port:
        assert await encrypted(f"postgresql://app@{host}:{port}/app?sslmode=verify-full&sslrootcert={files['ca']}")


@pytest.mark.parametrize("driver", DRIVERS)
async def test_tls_from_the_first_byte(driver: str, server, authority, files) -> None:
    context = server_context(authority)
    context.set_alpn_protocols(["postgresql"])
    async with tls_front(server.port, context, direct=True) as port:
        place = f"{driver}://app@localhost:{port}/app?sslnegotiation=direct&sslmode=verify-full"
        assert await encrypted(f"{place}&sslrootcert={files['ca']}")
        with pytest.raises(FAILURES, match=r"(?i)certificate"):
            await ask(f"{place}&sslrootcert={files['other']}")


@pytest.mark.parametrize(
    ("query", "names", "connects"),
    [
        ("&sslrootcert={ca}", ("localhost",), True),
        ("", ("localhost",), False),
        ("&sslrootcert={other}", ("localhost",), False),
        ("&sslrootcert={ca}", ("elsewhere.example",), False),
    ],
)
async def test_channel_binding_is_answered_by_full_verification(
    query, names, connects, server, authority, files
) -> None:
    """Nobody in between can pass for the server: what channel binding is for, from what asyncpg can do."""
    async with tls_front(server.port, server_context(authority, *names)) as port:
        pasted = f"postgresql://user0:plain@localhost:{port}/app?sslmode=require&channel_binding=require"
        url = pasted + query.format(**files)
        if connects:
            assert await ask(url) == "user0 in app"
            assert await encrypted(url)
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                await ask(url)


async def test_the_machine_s_own_authorities_are_those_of_openssl(server, authority, files, monkeypatch) -> None:
    """The pasted URL of a provider with a certificate of a public authority, played by SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(files["ca"]))
    async with tls_front(server.port, server_context(authority)) as port:
        place = f"user0:plain@localhost:{port}/app"
        assert await encrypted(f"postgresql://{place}?sslmode=require&channel_binding=require")
        assert await encrypted(f"postgresql://{place}?sslmode=verify-full&sslrootcert=system")


async def test_psycopg_holds_to_channel_binding_itself(server, authority) -> None:
    """The server behind the front has no TLS and so cannot bind: libpq must turn it down."""
    async with tls_front(server.port, server_context(authority)) as port:
        with pytest.raises(DBAPIError, match="channel binding"):
            await ask(f"postgresql+psycopg://user0:plain@localhost:{port}/app?sslmode=require&channel_binding=require")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("mode", ["prefer", "require", "verify-full&sslrootcert={ca}"])
async def test_client_certificate(driver: str, mode: str, server, authority, files) -> None:
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    async with tls_front(server.port, context, plain_too=False) as port:
        place = f"{driver}://app@127.0.0.1:{port}/app?sslmode={mode.format(**files)}"
        assert await encrypted(f"{place}&sslcert={files['cert']}&sslkey={files['key']}")
        with pytest.raises(FAILURES):
            await ask(place)


async def test_encrypted_client_key_needs_its_password(server, authority, files, tmp_path: Path) -> None:
    key, url = tmp_path / "key.pem", f"sslmode=require&sslcert={files['cert']}&sslkey={tmp_path / 'key.pem'}"
    encrypt(files["key"], key, "k%y pass")
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    async with tls_front(server.port, context) as port:
        place = f"postgresql://app@127.0.0.1:{port}/app"
        assert await encrypted(f"{place}?{url}&sslpassword=k%25y%20pass")
        assert await encrypted(f"{place}?{url.replace('require', 'prefer')}&sslpassword=k%25y%20pass")
        with pytest.raises(SettingsError, match="sslkey"):
            await ask(f"{place}?{url}&sslpassword=wrong")


def encrypt(source: Path, target: Path, password: str) -> None:
    key = serialization.load_pem_private_key(source.read_bytes(), None)
    target.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()),
        )
    )


async def test_database_that_answers_is_connected_to_once(server: Server) -> None:
    made: list[object] = []

    def note(*arguments: object) -> None:
        made.append(arguments)

    event.listen(Engine, "do_connect", note)
    try:
        url = normalize_database_url(f"postgresql://app@127.0.0.1:{server.port}/app")
        async with open_connection(url, PATIENCE) as connection:
            assert not connection.in_transaction()
            assert await connection.scalar(text("SELECT current_user")) == "app"
    finally:
        event.remove(Engine, "do_connect", note)
    assert connection.closed
    assert len(made) == 1


async def test_revoked_server_certificate_is_turned_down(server, authority, files, tmp_path: Path) -> None:
    certificate = authority.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    good, bad = tmp_path / "good.crl", tmp_path / "bad.crl"
    write_revocations(authority, good, None)
    write_revocations(authority, bad, certificate)
    async with tls_front(server.port, context) as port:
        url = f"postgresql://app@localhost:{port}/app?sslmode=verify-full&sslrootcert={files['ca']}&sslcrl="
        assert await encrypted(f"{url}{good}")
        with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
            await ask(f"{url}{bad}")


def write_revocations(authority: trustme.CA, path: Path, revoked: trustme.LeafCert | None) -> None:
    root = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    crl = x509.CertificateRevocationListBuilder(root.subject, now - timedelta(1), now + timedelta(1))
    if revoked is not None:
        serial = x509.load_pem_x509_certificate(revoked.cert_chain_pems[0].bytes()).serial_number
        crl = crl.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        )
    path.write_bytes(crl.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
