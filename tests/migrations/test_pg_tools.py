"""Backup and restore touch the server that the URL names, whatever else libpq would look at."""

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import trustme

from app.migrator.backup.archive import open_archive
from app.migrator.backup.pg_tools import access
from app.postgres.connect import wait_for_database
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import BackupError
from app.postgres.url.database_url import normalize_database_url
from app.postgres.url.resolved import resolve_url
from tests.conftest import settings_for
from tests.migrations.conftest import older_binaries
from tests.support.migrator import backup, restore
from tests.support.processes import environment, run
from tests.support.throwaway_postgres import POSTGRES_BIN_PATH, Server, free_port, new_cluster, running
from tests.support.tls_server import tls_front

DRIVERS = ("postgresql", "postgresql+psycopg")
SERVICE = (
    "[other]\nhost={host}\nhostaddr=127.0.0.2\nport={port}\nuser=stranger\ndbname=theirs\noptions=-crole=stranger\n"
)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """Ours, and a copy of it that is somebody else's: on one port, at 127.0.0.1 and at 127.0.0.2."""
    with new_cluster("local all all trust\nhost all all all trust\n") as directory:
        with running(directory) as server:
            server.execute(
                "CREATE DATABASE ours",
                "CREATE DATABASE theirs",
                "CREATE ROLE stranger LOGIN IN ROLE pg_read_all_settings",
            )
        with new_cluster("") as other:
            subprocess.run(["rm", "-r", other / "data"], check=True)
            subprocess.run(["cp", "-a", directory / "data", other], check=True)
            port = free_port()
            with (
                running(directory, {"listen_addresses": "127.0.0.1"}, port=port) as ours,
                running(other, {"listen_addresses": "127.0.0.2"}, port=port) as theirs,
            ):
                yield ours, theirs


@pytest.fixture(autouse=True)
def rows(servers: tuple[Server, Server]) -> Callable[[Server, str], None]:
    """Writes into the table of each server whose it is."""

    def write(server: Server, word: str) -> None:
        execute(server, "DROP TABLE IF EXISTS words", f"CREATE TABLE words AS SELECT '{word}' AS word")

    for server, word in zip(servers, ("ours", "theirs"), strict=True):
        write(server, word)
    return write


def execute(server: Server, *statements: str) -> list[tuple[object, ...]]:
    """The rows of the last one."""
    where = f"host={server.directory} port={server.port} user=postgres dbname=ours"
    with psycopg.connect(where, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def words(server: Server) -> list[tuple[object, ...]]:
    return execute(server, "SELECT word FROM words")


def url_of(server: Server, driver: str = "postgresql") -> str:
    return f"{driver}://postgres@127.0.0.1:{server.port}/ours"


def write_services(directory: Path, server: Server) -> None:
    for name in ("pg_service.conf", ".pg_service.conf"):
        (directory / name).write_text(SERVICE.format(host="127.0.0.2", port=server.port))


ELSEWHERE = {"PGHOSTADDR": "127.0.0.2"}
UNSAID = {"PGHOST": "127.0.0.2", "PGPORT": "1", "PGUSER": "stranger", "PGDATABASE": "theirs", "PGPASSWORD": "wrong"}
OF_A_KIND = {"PGTARGETSESSIONATTRS": "standby", "PGLOADBALANCEHOSTS": "random"}
LEADING = [
    ELSEWHERE,
    {"PGSERVICE": "other", "PGSERVICEFILE": "{directory}/pg_service.conf"},
    {"PGSERVICE": "other", "PGSYSCONFDIR": "{directory}", "HOME": "{directory}"},
    UNSAID,
    {
        **OF_A_KIND,
        "PGOPTIONS": "-c role=stranger -c default_transaction_read_only=on",
        "PGGSSENCMODE": "require",
        "PGREQUIREAUTH": "gss",
        "PGREQUIREPEER": "nobody",
        "PGREQUIRESSL": "1",
        "PGSSLCERTMODE": "require",
        "PGSSLCRLDIR": "/nowhere",
        "PGMINPROTOCOLVERSION": "3.2",
        "PGCLIENTENCODING": "EUC_JP",
        "PGDATESTYLE": "German",
        "PGTZ": "nowhere",
        "PG_COLOR": "always",
        "PSQLRC": "{directory}/psqlrc",
    },
]


@pytest.mark.parametrize("variables", LEADING, ids="+".join)
def test_variables_of_libpq_lead_no_tool_to_another_server(
    variables: dict[str, str],
    servers: tuple[Server, Server],
    rows: Callable[[Server, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = servers
    write_services(tmp_path, theirs)
    (tmp_path / "psqlrc").write_text("\\quit\n")
    settings = settings_for(url_of(ours))
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value.format(directory=tmp_path))
        done = backup(settings, tmp_path / "mine.tar")
    rows(ours, "changed after the backup")
    with monkeypatch.context() as patch, open_archive(done.path) as archive:
        for name, value in variables.items():
            patch.setenv(name, value.format(directory=tmp_path))
        restore(settings, archive, replace=True)
    assert words(ours) == [("ours",)]
    assert words(theirs) == [("theirs",)]


@pytest.mark.parametrize("variables", [ELSEWHERE, UNSAID, OF_A_KIND], ids="+".join)
def test_psycopg_is_led_to_no_other_server_either(
    variables: dict[str, str],
    servers: tuple[Server, Server],
    rows: Callable[[Server, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = servers
    file = backup(settings_for(url_of(ours)), tmp_path / "mine.tar").path
    rows(ours, "changed after the backup")
    with monkeypatch.context() as patch, open_archive(file) as archive:
        for name, value in variables.items():
            patch.setenv(name, value)
        restore(settings_for(url_of(ours, "postgresql+psycopg")), archive, replace=True)
    assert words(ours) == [("ours",)]
    assert words(theirs) == [("theirs",)]


def test_service_that_psycopg_would_read_is_refused_by_name(servers: tuple[Server, Server], tmp_path: Path) -> None:
    url = url_of(servers[0], "postgresql+psycopg")
    told = run("litestar", "database", "backup", str(tmp_path), env=environment(DATABASE_URL=url, PGSERVICE="other"))
    assert told.returncode == 2
    assert "Unset PGSERVICE" in told.stderr


@contextmanager
def balancing(choose: Callable[[bytes], tuple[str, int]]) -> Iterator[int]:
    """The port of a relay that chooses the server of each connection by the first bytes that come."""

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(choose(client.recv(4096, socket.MSG_PEEK))) as server:
            back = threading.Thread(target=copy, args=(server, client))
            back.start()
            copy(client, server)
            back.join()

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],)).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def test_restore_through_a_balancer_that_leads_psql_elsewhere_is_refused(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    """Both are copies of one server: its identifier and the number of the database are the same."""
    ours, theirs = servers
    file = backup(settings_for(url_of(ours)), tmp_path / "mine.tar").path
    with balancing(lambda start: ("127.0.0.2" if b"psql" in start else "127.0.0.1", ours.port)) as port:
        settings = settings_for(f"postgresql://postgres@127.0.0.1:{port}/ours?sslmode=disable")
        with open_archive(file) as archive, pytest.raises(BackupError, match=r"another server .*Nothing was changed"):
            restore(settings, archive, replace=True)
    assert words(theirs) == [("theirs",)]
    assert words(ours) == [("ours",)]


WHERE = "SELECT current_user, current_database(), current_setting('unix_socket_directories'), inet_server_addr()"


@contextmanager
def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("url", "variables"),
    [
        ("postgres@127.0.0.1:{port},127.0.0.2:{port}/ours?load_balance_hosts=random", {}),
        ("postgres@127.0.0.1:1,127.0.0.2:{port}/ours?target_session_attrs=prefer-standby", {}),
        ("localhost:{port}/ours", {"PGUSER": "stranger"}),
        ("postgres@localhost:{port}", {"PGDATABASE": "theirs"}),
        ("/ours?host={directory}&port={port}&user=stranger", {"PGSSLMODE": "verify-full"}),
        ("stranger@/ours", {"PGHOST": "127.0.0.2", "PGPORT": "{port}"}),
        ("postgres@/ours", {"PGHOST": "{directory}", "PGPORT": "{port}"}),
    ],
)
def test_tool_is_where_the_application_is(
    driver: str, url: str, variables: dict[str, str], servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = servers[0]
    place = {"port": ours.port, "directory": ours.directory}
    settings = settings_for(f"{driver}://{url.format(**place)}")

    async def ask() -> tuple[str, str]:
        assert settings.database_url is not None
        named = normalize_database_url(settings.database_url.reveal())
        await wait_for_database(named, settings.db_connect_timeout)
        async with create_unpooled_engine(named, 10).connect() as connection:
            told = (await connection.exec_driver_sql(WHERE)).one()
            with access(await resolve_url(named, connection), 10) as given:
                command = [str(POSTGRES_BIN_PATH / "psql"), "-XAtw", given.connection, "-c", WHERE]
                asked = await asyncio.to_thread(
                    subprocess.run, command, env=given.environment, capture_output=True, text=True, check=True
                )
        return "|".join("" if value is None else str(value) for value in told), asked.stdout.rstrip("\n")

    with set_variables(monkeypatch, {name: value.format(**place) for name, value in variables.items()}):
        for _ in range(4 if "random" in url else 1):
            application, tool = asyncio.run(ask())
            assert tool == application


async def test_tls_that_the_variables_ask_for_is_that_of_the_tools(
    servers: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(tmp_path / "ca.pem"))
    async with tls_front(servers[0].port, context, plain_too=False) as port:
        named = normalize_database_url(f"postgresql://postgres@127.0.0.1:{port}/ours")
        async with create_unpooled_engine(named, 10).connect() as connection:
            with access(await resolve_url(named, connection), 10) as given:
                # Of a PostgreSQL that is built with TLS.
                command = [str(older_binaries() / "psql"), "-XAtw", given.connection, "-c", "SELECT 1"]
                asked = await asyncio.to_thread(
                    subprocess.run, command, env=given.environment, capture_output=True, text=True, check=False
                )
    assert (asked.stdout, asked.stderr) == ("1\n", "")
    assert "sslmode=verify-full" in given.connection
