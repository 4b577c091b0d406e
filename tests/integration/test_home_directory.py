"""A home directory that this process may not look into, as under an arbitrary user id, keeps nobody from connecting."""

import asyncio
import os
import ssl
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from app.migrator.backup.pg_tools import access
from app.postgres.connect import wait_for_database
from app.postgres.errors import DatabaseUnreachableError
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import normalize_database_url
from tests.migrations.conftest import older_binaries
from tests.support.throwaway_postgres import Server, new_cluster, running
from tests.support.tls_server import tls_front

DRIVERS = ("postgresql", "postgresql+psycopg")
SOMEBODY = 1_000_770_000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with (
        new_cluster("local all all trust\nhost all all all trust\n") as directory,
        running(directory) as server,
    ):
        yield server


@pytest.fixture
def closed_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set HOME to a link to itself, which even root cannot open."""
    (tmp_path / "home").symlink_to(tmp_path / "home")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


async def connect(url: str) -> None:
    await wait_for_database(normalize_database_url(url), 5.0)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("mode", ["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"])
@pytest.mark.usefixtures("closed_home")
async def test_closed_home_is_no_obstacle_without_tls(driver: str, mode: str, server: Server) -> None:
    await connect(f"{driver}://postgres@127.0.0.1:{server.port}/postgres?{mode}")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "mode", ["", "allow", "prefer", "require", "verify-ca&sslrootcert={ca}", "verify-full&sslrootcert={ca}"]
)
@pytest.mark.usefixtures("closed_home")
async def test_closed_home_is_no_obstacle_with_tls(driver: str, mode: str, server: Server, tmp_path: Path) -> None:
    async with tls_front(server.port, _context(tmp_path), plain_too=False) as port:
        query = f"sslmode={mode.format(ca=tmp_path / 'ca.pem')}" if mode else ""
        await connect(f"{driver}://postgres@127.0.0.1:{port}/postgres?{query}")


@pytest.mark.usefixtures("closed_home")
async def test_tools_connect_from_a_closed_home_with_tls(server: Server, tmp_path: Path) -> None:
    async with tls_front(server.port, _context(tmp_path), plain_too=False) as port:
        url = normalize_database_url(f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=require")
        with access(url, 10) as given:
            command = [str(older_binaries() / "psql"), "-XAtw", given.connection, "-c", "SELECT 1"]
            asked = await asyncio.to_thread(
                subprocess.run, command, env=given.environment, capture_output=True, text=True, check=False
            )
    assert (asked.stdout, asked.stderr) == ("1\n", "")


def _context(directory: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("driver", DRIVERS)
def test_home_of_somebody_else_is_no_obstacle(driver: str, server: Server, tmp_path: Path) -> None:
    def work() -> None:
        asyncio.run(connect(f"{driver}://postgres@127.0.0.1:{server.port}/postgres"))

    assert as_somebody_else(work, server, tmp_path) == ""


def test_user_id_without_a_name_needs_a_user_in_the_url(server: Server, tmp_path: Path) -> None:
    def work() -> None:
        with pytest.raises(SettingsError, match="DATABASE_URL names no user"):
            asyncio.run(connect(f"postgresql://127.0.0.1:{server.port}/postgres"))

    # Of others than root, the id has a name.
    if os.geteuid() == 0:
        assert as_somebody_else(work, server, tmp_path) == ""


def test_socket_that_may_not_be_opened_is_said(server: Server, tmp_path: Path) -> None:
    directory = tmp_path / "closed"
    directory.mkdir(mode=0)

    def work() -> None:
        with pytest.raises(DatabaseUnreachableError, match="the rights of the socket"):
            asyncio.run(connect(f"postgresql://postgres@/postgres?host={directory}"))

    assert as_somebody_else(work, server, tmp_path) == ""


def test_certificate_that_may_not_be_read_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be seen, and so somebody has put it there to be used."""
    (tmp_path / ".postgresql" / "postgresql.crt").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SettingsError, match=r"postgresql\.crt.*cannot be used"):
        asyncio.run(connect(f"postgresql://postgres@127.0.0.1:{server.port}/postgres"))


def as_somebody_else(work: Callable[[], None], server: Server, directory: Path) -> str:
    """The traceback of `work` in a process whose HOME is closed to its user id; empty if all is well.

    The id is another one, and has no name, where root runs the tests.
    """
    closed = directory / "home"
    closed.mkdir(mode=0)
    # What is imported later could not be read any more where Python is in root's own home, too.
    for driver in DRIVERS:
        asyncio.run(connect(f"{driver}://postgres@127.0.0.1:{server.port}/postgres"))
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
                os.environ.pop(name, None)
            os.environ["HOME"] = str(closed)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(SOMEBODY)
                os.setuid(SOMEBODY)
            work()
        except BaseException:  # noqa: BLE001 - told by the parent
            os.write(writing, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.read()
    os.waitpid(pid, 0)
    return said
