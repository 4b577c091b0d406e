"""The oldest PostgreSQL at hand: Debian's 15, where it is installed."""

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy.exc import DBAPIError

from app.asgi import create_app
from app.db.startup_policy import init_db
from app.migrator.backup.archive import open_archive
from app.migrator.doctor.finding import Severity
from app.migrator.sql.lock_modes import LockMode
from app.postgres.dev_server.server import binaries
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import client_of, settings_for, started
from tests.migrations.conftest import OLDER_BIN as BIN
from tests.migrations.conftest import Release, autocommit, older_binaries, sql
from tests.support.cut_off import DRIVERS, SCHEMA_CHANGES, check_that_it_keeps_nothing
from tests.support.database import applied, query
from tests.support.doctor import examined, one, worse_than_notes
from tests.support.drift import TAMPERED_ZOO, check, compared, make_zoo, one_of_each_kind, together, zoo
from tests.support.locking_statements import ALONE, AT_MOST, SCHEMA, STATEMENTS, furnished_shop, said, taken
from tests.support.migrator import backup, downgrade, read_schema_sql, restore, upgrade
from tests.support.partitions import check_that_rows_stay_where_they_are
from tests.support.processes import ROOT
from tests.support.throwaway_postgres import new_cluster, running
from tests.support.tls_server import tls_front
from tests.support.waiting import PATIENCE

FILES = {"rootcert": "ca", "cert": "cert", "key": "key"}


@pytest.fixture(scope="module")
def postgres_bin() -> Path:
    """Debian's own pg_dump, too: one that is newer says more than this server knows."""
    return older_binaries()


@pytest.fixture(scope="module")
def server_url(postgres_bin: Path) -> Iterator[str]:
    cluster = new_cluster("local all all trust\nhost all all 127.0.0.1/32 trust\n", postgres_bin)
    with cluster as directory, running(directory, binaries=postgres_bin) as server:
        yield f"postgresql://postgres@/postgres?host={directory}&port={server.port}"


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    query_outside_transaction(server_url, "CREATE DATABASE older")
    yield server_url.replace("/postgres?", "/older?")
    query_outside_transaction(server_url, "DROP DATABASE older WITH (FORCE)")


@pytest.fixture(scope="module")
def template_url(server_url: str) -> str:
    """A database at head, made by the migrations, of which others are copies: nobody changes it."""
    query_outside_transaction(server_url, "CREATE DATABASE template_at_head")
    url = server_url.replace("/postgres?", "/template_at_head?")
    upgrade(settings_for(url))
    return url


@pytest.fixture
def url_at_head(server_url: str, template_url: str) -> Iterator[str]:
    query_outside_transaction(server_url, "CREATE DATABASE older TEMPLATE template_at_head")
    yield server_url.replace("/postgres?", "/older?")
    query_outside_transaction(server_url, "DROP DATABASE older WITH (FORCE)")


def query_outside_transaction(url: str, statement: str) -> None:
    subprocess.run([BIN / "psql", "-q", "-d", url, "-c", statement], check=True, timeout=PATIENCE)


def test_revisions_go_up_down_and_up(url: str) -> None:
    settings = settings_for(url)
    upgrade(settings)
    downgrade(settings, "base", accept_data_loss=True)
    upgrade(settings)
    assert query(url, "SELECT count(*) FROM alembic_version") == [(1,)]


def test_schema_has_the_same_text_as_on_the_newest_server(template_url: str) -> None:
    assert read_schema_sql(settings_for(template_url)) == (ROOT / "migrations" / "schema.sql").read_text()


def test_statement_locks_no_more_than_a_dry_run_says(url: str) -> None:
    """What a newer server locks is said of an older one, too, although that does without some of it."""
    newer = (
        "ALTER TABLE events ADD CONSTRAINT events_org2 FOREIGN KEY (org_id) REFERENCES organizations (id) NOT VALID;"
    )
    assert newer in SCHEMA
    wrong, unknown = [], []
    with furnished_shop(url, SCHEMA.replace(newer, "")) as shop:
        for line in STATEMENTS:
            statement = line.removeprefix(AT_MOST)
            if line.startswith(ALONE):
                continue
            try:
                told = said(shop, statement)
                locked = taken(shop, statement).items()
                if any(LockMode(mode).strength > _strength(told.get(table)) for table, mode in locked):
                    wrong.append(statement)
            except DBAPIError:
                unknown.append(statement)
    assert wrong == []
    assert len(unknown) < 10, unknown


def _strength(mode: str | None) -> int:
    return LockMode(mode).strength if mode else -1


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("last", ["P", "B"])
def test_schema_change_that_is_cut_off_in_a_statement_loses_its_locks(
    url_at_head: str, release: Release, last: str, driver: str
) -> None:
    exc = check_that_it_keeps_nothing(url_at_head, SCHEMA_CHANGES["upgrade"](release), driver, last)
    assert "of which it heard nothing for too long" in str(exc)


@pytest.mark.parametrize("driver", DRIVERS)
def test_both_sides_probe_whether_the_other_ones_host_is_there(url_at_head: str, release: Release, driver: str) -> None:
    release.add("""
        bind = op.get_bind()
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        seen = [bind.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
        driver = bind.connection.driver_connection
        if hasattr(driver, "fileno"):
            ours = socket.socket(fileno=os.dup(driver.fileno()))
        else:
            ours = driver._transport.get_extra_info("socket")
        options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        seen += [str(ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))) for name in options]
        seen += [str(ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))]
        if hasattr(driver, "fileno"):
            ours.close()
        op.execute(f"COMMENT ON TABLE tags IS '{' '.join(seen)}'")
    """, extra="import os, socket")  # fmt: skip
    host = f"postgres@127.0.0.1:{url_at_head.rpartition('=')[2]}/older"
    upgrade(settings_for(f"{driver}://{host}"))
    assert query(url_at_head, "SELECT obj_description('tags'::regclass)") == [("30 10 3 30 10 3 1",)]


def test_rows_stay_where_they_are_when_their_table_is_partitioned(url: str) -> None:
    check_that_rows_stay_where_they_are(url)


async def test_create_all_and_upgrade_make_the_same_schema_which_is_that_of_the_models(
    url: str, template_url: str
) -> None:
    await init_db(settings_for(url), normalize_database_url(url))
    created = dump(url)
    assert "CREATE TABLE public.tasks" in created
    assert created == dump(template_url)
    assert compared(url) == []
    assert compared(template_url) == []


def test_doctor_asks_what_the_older_server_can_answer(url_at_head: str) -> None:
    findings = examined(url_at_head)
    assert worse_than_notes(findings) == []
    assert one(findings, "drift", Severity.OK)


def dump(url: str) -> str:
    command = [str(BIN / "pg_dump"), "--schema-only", "-d", url]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.splitlines()
    # The restrict key is random, and not every release of 15 lets it be chosen.
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


@pytest.mark.usefixtures("patient_readiness")
async def test_application_serves(url: str) -> None:
    async with started(create_app(settings_for(url))) as application, client_of(application) as client:
        body = {"name": "First", "slug": "first", "description": ""}
        created = await client.post("/api/v1/boards", json=body)
        assert created.status_code == 201
        assert (await client.get(created.headers["location"])).json()["slug"] == "first"
        assert (await client.get("/readyz")).status_code == 200


def test_differences_are_found_and_mended(server_url: str, url: str, long: bool) -> None:
    """One difference of each kind is tried; with --long, all."""
    make_zoo(url)
    assert compared(url, zoo()) == []
    tampered = TAMPERED_ZOO if long else one_of_each_kind(TAMPERED_ZOO)
    for chosen in together(tampered, zoo()):
        query_outside_transaction(server_url, "CREATE DATABASE copy TEMPLATE older")
        check(server_url.replace("/postgres?", "/copy?"), tampered, chosen, BIN / "psql", zoo())
        query_outside_transaction(server_url, "DROP DATABASE copy WITH (FORCE)")


@pytest.mark.parametrize("programs", ["found", "newer"])
def test_backup_is_restored_with_its_own_programs_and_with_newer_ones(
    programs: str, url_at_head: str, tmp_path: Path
) -> None:
    url = url_at_head
    settings = settings_for(url, pg_bin_dir=binaries() if programs == "newer" else None)
    before = dump(url), query(url, "SELECT h::text FROM schema_history AS h ORDER BY 1")
    done = backup(settings, tmp_path)
    # Of the versions at hand the server's own: what a newer pg_dump writes, its pg_restore could not read.
    assert done.manifest.pg_dump.startswith("18." if programs == "newer" else "15.")
    query(url, "DROP TABLE users CASCADE")
    with open_archive(done.path) as archive:
        restore(settings, archive, replace=True)
    assert (dump(url), query(url, "SELECT h::text FROM schema_history AS h ORDER BY 1")) == before


async def test_programs_honour_tls_and_the_password_of_the_clients_key(
    url: str, server_url: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client = authority.issue_cert(common_name="postgres")
    client.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    key = load_pem_private_key(client.private_key_pem.bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"k3y"))
    (tmp_path / "key.pem").write_bytes(locked)
    (tmp_path / "key.pem").chmod(0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    query(url, "CREATE TABLE t AS SELECT 1 AS x")
    async with tls_front(int(server_url.rpartition("=")[2]), context, plain_too=False) as port:
        files = "&".join(f"ssl{name}={tmp_path}/{file}.pem" for name, file in FILES.items())
        secure = f"postgresql://postgres@localhost:{port}/older?sslmode=verify-full&sslpassword=k3y&{files}"
        done = await asyncio.to_thread(backup, settings_for(secure), tmp_path / "mine.tar")
    assert done.manifest.rows == {"public.t": 1}


def test_foreign_key_of_a_partitioned_table_is_validated_on_each_partition(
    url_at_head: str, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(url_at_head)
    head = release.head or ""
    query(
        url_at_head,
        "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o');"
        " INSERT INTO activity_events (id, organization_id, event_type, board_id, created_at)"
        " SELECT gen_random_uuid(), id, 'seen', id, now() + make_interval(months => n)"
        " FROM organizations, generate_series(-1, 1) AS n",
    )
    add = "ADD CONSTRAINT fk_board FOREIGN KEY (board_id) REFERENCES boards (id) NOT VALID"
    drop = sql("ALTER TABLE activity_events DROP CONSTRAINT fk_board")
    added = release.add(sql(f"ALTER TABLE activity_events {add}"), drop)
    release.add(autocommit("ALTER TABLE activity_events VALIDATE CONSTRAINT fk_board"))
    with pytest.raises(MigrationFailedError, match="violates foreign key constraint"):
        upgrade(settings)
    assert applied(url_at_head) == [added]
    downgrade(settings, head)
    query(url_at_head, "UPDATE activity_events SET board_id = NULL")
    upgrade(settings)
    keys = "SELECT DISTINCT convalidated, conrelid = 'activity_events'\\:\\:regclass FROM pg_constraint"
    assert query(url_at_head, f"{keys} WHERE conname = 'fk_board' ORDER BY 2") == [(True, False), (True, True)]
    downgrade(settings, head)
    assert query(url_at_head, f"{keys} WHERE conname = 'fk_board'") == []
    capsys.readouterr()
    upgrade(settings, f"{head}:head", sql=True)
    psql = [str(BIN / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url_at_head]
    subprocess.run(psql, input=capsys.readouterr().out, text=True, check=True, timeout=PATIENCE)
    assert query(url_at_head, f"{keys} WHERE conname = 'fk_board' ORDER BY 2") == [(True, False), (True, True)]
