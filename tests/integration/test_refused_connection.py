"""A server, or a pooler before it, that turns a connection away: its own sentence is told, and its SQLSTATE decides."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from asyncpg.exceptions import QueryCanceledError
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from app.db.replicas.selection import Replicas
from app.migrator.doctor.finding import Severity
from app.postgres.connect import wait_for_database
from app.postgres.connect_failure import classify_connect_error
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import DatabaseUnreachableError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.support.doctor import examined, one
from tests.support.pooler import pooling
from tests.support.processes import debian_program, environment, run
from tests.support.readiness import client_with_readiness_of
from tests.support.refusing_server import refusing
from tests.support.throwaway_postgres import Server, new_cluster, running
from tests.support.tls_server import tls_front
from tests.support.waiting import PATIENCE

DRIVERS = ("postgresql", "postgresql+psycopg")
FOR_GOOD = [
    ("XX000", "Tenant or user not found"),
    ("08P01", "unsupported startup parameter: options"),
    ("42704", 'unrecognized configuration parameter "searchpath"'),
    ("22023", 'invalid value for parameter "statement_timeout": "abc"'),
    ("55000", 'database "harbour" is not currently accepting connections'),
    ("28000", 'role "app" is not permitted to log in'),
    ("28P01", "Passwort-Authentifizierung für Benutzer »app« fehlgeschlagen"),
    ("3D000", "Datenbank »harbour« existiert nicht"),
    ("42501", 'permission denied for database "harbour"'),
    ("0A000", "timeout, Connection refused, the database system is asleep"),
]
FOR_NOW = [
    ("53300", "password authentication failed, or so"),
    ("57P03", "das Datenbanksystem startet"),
    ("08006", 'no pg_hba.conf entry; "harbour" does not exist'),
    ("58000", "certificate verify failed"),
]


async def refusal(url: str, seconds: float = 30) -> str:
    """Return the message with which waiting for the database ends."""
    with pytest.raises(DatabaseUnreachableError) as refused:
        await wait_for_database(normalize_database_url(url), seconds)
    return str(refused.value)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("state", "sentence"), FOR_GOOD)
async def test_refusal_that_will_not_change_is_told_at_once(driver: str, state: str, sentence: str) -> None:
    with refusing(state, sentence) as server, capture_logs() as logs:
        message = await refusal(server.url(driver))
    assert f": {sentence}." in message
    assert "within" not in message
    assert not [entry for entry in logs if entry["event"] == "waiting for the database"]
    # psycopg has no SQLSTATE to tell, so that asyncpg is asked.
    assert server.starts == (1 if driver == "postgresql" else 2)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("state", "sentence"), FOR_NOW)
async def test_refusal_that_may_pass_is_waited_for(driver: str, state: str, sentence: str) -> None:
    with refusing(state, sentence) as server:
        message = await refusal(server.url(driver), 0.5)
    assert sentence in message
    assert "within 0.5 s" in message
    assert server.starts > 2


async def test_startup_parameter_that_a_pooler_refuses_comes_with_what_to_do() -> None:
    with refusing("08P01", "unsupported startup parameter: options") as server:
        message = await refusal(server.url())
    assert "ALTER ROLE" in message
    assert "ignore_startup_parameters" in message


@pytest.mark.parametrize("driver", DRIVERS)
async def test_words_of_a_server_are_one_short_line_without_control_characters(driver: str) -> None:
    with refusing("XX000", "no\r\nway\x1b[31m in\u202e " + "x" * 5000) as server:
        message = await refusal(server.url(driver))
    assert message.isprintable()
    assert "no way [31m in x" in message
    assert len(message) < 600


async def test_words_that_are_no_text_are_no_crash() -> None:
    with refusing("XX000", b"Passwort f\xfcr \xabapp\xbb") as server:
        assert "was closed by the server" in await refusal(server.url(), 0.3)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_answer_before_tls_is_not_trusted_and_told_to_be_one(driver: str) -> None:
    """Anybody on the way could have given it."""
    with refusing("28P01", "give me another password", hasty=True) as server:
        message = await refusal(server.url(driver) + "?sslmode=require", 0.3)
    assert "error response during SSL exchange" in message
    assert "give me" not in message
    with refusing("XX000", "Tenant or user not found", hasty=True) as server:
        assert "Tenant or user not found" in await refusal(server.url(driver) + "?sslmode=disable")


@pytest.mark.parametrize("driver", DRIVERS)
async def test_words_of_the_system_stand_beside_ours(driver: str) -> None:
    message = await refusal(f"{driver}://app@no-such-host.invalid/harbour", 0.3)
    assert re.search(r"cannot be resolved: \w+", message)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with tls_front(1, context) as port:
        message = await refusal(f"{driver}://app@127.0.0.1:{port}/harbour?sslmode=verify-full&sslrootcert=system")
    assert re.search(r"is not trusted: .*certificate", message)
    assert "within" not in message


@pytest.mark.parametrize("command", ["litestar run --port 1", "litestar database status", "alembic current"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_command_ends_with_the_sentence(command: str, driver: str) -> None:
    with refusing("XX000", "Tenant or user not found") as server:
        result = run(*command.split(), env=environment(DATABASE_URL=server.url(driver), DB_CONNECT_TIMEOUT="60"))
    assert result.returncode == 4, result.stderr
    assert "Tenant or user not found" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("driver", DRIVERS)
def test_doctor_tells_the_sentence(driver: str) -> None:
    with refusing("XX000", "Tenant or user not found") as server:
        assert "Tenant or user not found" in one(examined(server.url(driver)), "login", Severity.PROBLEM).seen


@pytest.mark.parametrize("driver", DRIVERS)
async def test_readiness_tells_the_sentence(database_url: str, driver: str) -> None:
    with refusing("XX000", "Tenant or user not found") as server:
        async with client_with_readiness_of(settings_for(database_url), server.url(driver)) as client:
            response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["code"] == "database_unreachable"
    assert "Tenant or user not found" in response.json()["detail"]


async def test_replica_that_refuses_is_left_out_with_its_sentence(database_url: str) -> None:
    with refusing("XX000", "Tenant or user not found") as server, capture_logs() as logs:
        urls = (normalize_database_url(server.url()),)
        replicas = Replicas(settings_for(database_url), urls, lambda: pytest.fail("the primary is not asked"))
        watching = asyncio.create_task(replicas.all[0].run())
        async with asyncio.timeout(PATIENCE):
            while not [entry for entry in logs if entry["event"] == "a replica is left out"]:
                await asyncio.sleep(0.01)
        replicas.all[0].stop()
        await watching
        await replicas.all[0].engine.dispose()
    assert "Tenant or user not found" in next(entry["reason"] for entry in logs if "reason" in entry)


def test_statement_timeout_is_named_as_that() -> None:
    failure = classify_connect_error(QueryCanceledError("canceling statement due to statement timeout"))
    assert "statement_timeout" in failure.reason
    assert "does not answer" not in failure.reason


async def test_variable_that_the_driver_takes_for_wrong_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGGSSLIB", "nonsense")
    message = await refusal("postgresql://n@127.0.0.1:1/n")
    assert "nonsense" in message
    assert "within" not in message


# --- real servers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    rules = "host all mate 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust\n"
    with new_cluster(rules) as directory, running(directory) as server:
        server.execute("CREATE ROLE mate LOGIN PASSWORD 'the right one'", "CREATE ROLE stoker NOLOGIN")
        server.execute("CREATE DATABASE closed ALLOW_CONNECTIONS false")
        yield server


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("mate:hunter2@{host}/postgres", "does not accept this user and password: password authentication failed"),
        ("stoker@{host}/postgres", 'role "stoker" is not permitted to log in'),
        ("postgres@{host}/harbour", 'no database of this name: database "harbour" does not exist'),
        ("postgres@{host}/closed", 'database "closed" is not currently accepting connections'),
        ("postgres@{host}/postgres?options=-csearchpath%3Dx", 'unrecognized configuration parameter "searchpath"'),
        ("postgres@{host}/postgres?options=-cwork_mem%3Dx", 'invalid value for parameter "work_mem": "x"'),
    ],
)
async def test_server_is_quoted_and_not_asked_again(server: Server, driver: str, place: str, words: str) -> None:
    with capture_logs() as logs:
        message = await refusal(f"{driver}://{place.format(host=f'127.0.0.1:{server.port}')}")
    assert words in message
    assert not logs
    assert "hunter2" not in message


@pytest.mark.parametrize("driver", DRIVERS)
async def test_time_limit_of_the_role_is_named(server: Server, driver: str) -> None:
    server.execute("CREATE ROLE hurried LOGIN", "ALTER ROLE hurried SET statement_timeout = '1ms'")
    engine = create_unpooled_engine(
        normalize_database_url(f"{driver}://hurried@127.0.0.1:{server.port}/postgres"), connect_timeout=5
    )
    try:
        with pytest.raises(DBAPIError) as cancelled:
            # What SQLAlchemy asks first may take too long already.
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(5)"))
    finally:
        server.execute("DROP ROLE hurried")
    reason = classify_connect_error(cancelled.value).reason
    assert "role's statement_timeout" in reason
    assert "canceling statement due to statement timeout" in reason


@pytest.mark.parametrize("driver", DRIVERS)
async def test_pgbouncer_that_takes_no_options_says_what_to_do(server: Server, driver: str, tmp_path: Path) -> None:
    binary = debian_program("pgbouncer", "pgbouncer")
    with pooling(binary, server.directory, server.directory, server.port, "session") as port:
        url = make_url(f"{driver}://postgres@127.0.0.1:{port}/postgres")
        message = await refusal(url.update_query_string("options=-csearch_path%3Dx").render_as_string())
    assert "unsupported startup parameter" in message
    assert "ignore_startup_parameters" in message
    assert "within" not in message
