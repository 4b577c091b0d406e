"""The doctor on the way to the server: each step that may fail is named, and what does not need it goes on."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import trustme

from app.migrator.doctor.finding import CheckLimits, Finding, Severity
from tests.support.database import query
from tests.support.doctor import examined, one, worse_than_notes
from tests.support.processes import environment, free_port, run
from tests.support.throwaway_postgres import Server, copy_as_standby, new_cluster, running
from tests.support.tls_server import listening, tls_front

OK, NOTE, WARNING, PROBLEM = Severity
PG_HBA = "host all mate all scram-sha-256\nlocal all all trust\nhost all all all trust\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Server, Server]]:
    """A primary with a password for `mate`, and a standby that was cloned from it."""
    with new_cluster(PG_HBA) as directory:
        with running(directory) as server:
            server.execute("CREATE ROLE mate LOGIN PASSWORD 'the right one'", "CREATE DATABASE harbour OWNER mate")
        options = {"max_prepared_transactions": "2"}
        with running(copy_as_standby(directory), options) as standby, running(directory, options) as primary:
            yield primary, standby


@pytest.fixture
def server(cluster: tuple[Server, Server]) -> Server:
    return cluster[0]


@pytest.fixture(autouse=True)
def no_files_of_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def url_of(server: Server, parameters: str = "", password: str = "the right one", port: int | None = None) -> str:
    return f"postgresql://mate:{quote(password)}@127.0.0.1:{port or server.port}/harbour{parameters}"


def test_every_step_to_a_server_that_answers_is_told(server: Server) -> None:
    findings = examined(url_of(server))
    assert "127.0.0.1 is an address" in one(findings, "dns", OK).seen
    assert "takes connections, in" in one(findings, "tcp", OK).seen
    assert "offers no TLS" in one(findings, "tls", OK).seen
    assert "lets mate in" in one(findings, "login", OK).seen
    assert "harbour is there" in one(findings, "database", OK).seen
    assert "no pooler" in one(findings, "pooler", OK).seen


def test_wrong_password_is_told_from_everything_else(server: Server) -> None:
    findings = examined(url_of(server, password="hunter2"))
    assert "does not accept this user and password" in one(findings, "login", PROBLEM).seen
    assert one(findings, "tcp", OK)
    assert one(findings, "database", NOTE).seen.startswith("Not reached")
    assert one(findings, "version", NOTE).seen.startswith("Not reached")
    assert one(findings, "files", OK)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_missing_database_is_told_from_a_refused_login(server: Server, driver: str) -> None:
    findings = examined(url_of(server).replace("harbour", "no_such_harbour").replace("postgresql", driver, 1))
    assert one(findings, "login", OK)
    found = one(findings, "database", PROBLEM)
    assert found.seen.startswith("no_such_harbour: ")
    assert "/postgres" in found.next_command


def test_unknown_host_ends_at_its_name() -> None:
    findings = examined("postgresql://u:hunter2@no-such-host.invalid/d")
    assert one(findings, "dns", PROBLEM).next_command == "getent hosts no-such-host.invalid"
    for check in ("tcp", "tls", "login", "state"):
        assert one(findings, check, NOTE).seen.startswith("Not reached")


def test_closed_port_ends_at_tcp() -> None:
    port = free_port()
    findings = examined(f"postgresql://u:hunter2@localhost:{port}/d")
    refused = [finding for finding in findings if finding.check == "tcp"]
    assert {finding.severity for finding in refused} == {PROBLEM}
    assert all("refused" in finding.seen for finding in refused)
    assert one(findings, "dns", OK)


def test_silent_server_is_given_up_in_time(silent_server: int) -> None:
    before = time.monotonic()
    findings = examined(f"postgresql://u:hunter2@127.0.0.1:{silent_server}/d", CheckLimits(connect_timeout=0.3))
    assert time.monotonic() - before < 60, "which is how long the driver waits by itself"
    assert "says nothing" in one(findings, "tls", PROBLEM).seen
    assert one(findings, "login", NOTE).seen.startswith("Not reached")


def test_silent_server_without_tls_is_given_up_in_time(silent_server: int) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{silent_server}/d?sslmode=disable"
    assert "does not answer" in one(examined(url, CheckLimits(connect_timeout=0.3)), "login", PROBLEM).seen


async def test_what_is_not_postgresql_is_told_so() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with suppress(OSError):
            await writer.drain()

    async with listening(serve, "127.0.0.1") as port:
        findings = await asyncio.to_thread(examined, f"postgresql://u:hunter2@127.0.0.1:{port}/d")
    assert "is not PostgreSQL" in one(findings, "tls", PROBLEM).seen


def test_socket_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    found = one(examined(f"postgresql://u:hunter2@/d?host={tmp_path}"), "socket", PROBLEM)
    assert f"{tmp_path}/.s.PGSQL.5432" in found.seen
    (tmp_path / ".s.PGSQL.5433").write_text("")
    assert "is no socket" in one(examined(f"postgresql://u@/d?host={tmp_path}&port=5433"), "socket", PROBLEM).seen


def test_socket_needs_neither_name_nor_tls(server: Server) -> None:
    findings = examined(f"postgresql://mate@/harbour?host={server.directory}&port={server.port}")
    assert "takes connections" in one(findings, "socket", OK).seen
    assert {"dns", "tcp", "tls"}.isdisjoint(finding.check for finding in findings)


def test_dead_host_beside_one_that_answers_is_a_warning(server: Server) -> None:
    place = f"127.0.0.1:{free_port()},127.0.0.1:{server.port}"
    findings = examined(url_of(server).replace(f"127.0.0.1:{server.port}", place))
    assert "Another address or host answers" in one(findings, "tcp", WARNING).why
    assert one(findings, "login", OK)
    assert {finding.severity for finding in findings if finding.group == "Connection"} <= {OK, NOTE, WARNING}


def test_dead_hosts_alone_are_problems() -> None:
    findings = examined(f"postgresql://u:hunter2@127.0.0.1:{free_port()},127.0.0.1:{free_port()}/d")
    assert [finding.severity for finding in findings if finding.check == "tcp"] == [PROBLEM, PROBLEM]


def test_url_without_a_host_leaves_the_search_to_the_driver(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", str(server.directory))
    findings = examined(f"postgresql://mate@/harbour?port={server.port}")
    assert "names no host" in one(findings, "dns", NOTE).seen
    assert one(findings, "login", OK)


# --- TLS -------------------------------------------------------------------------------------------------------


class Authorities:
    def __init__(self, directory: Path) -> None:
        self.ours, self._other = trustme.CA(), trustme.CA()
        self.file, self.other_file = directory / "ca.pem", directory / "other.pem"
        self.ours.cert_pem.write_to_path(self.file)
        self._other.cert_pem.write_to_path(self.other_file)

    def context(self, **certificate: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ours.issue_cert("127.0.0.1", common_name="the harbour", **certificate).configure_cert(context)
        return context


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    return Authorities(tmp_path)


async def behind_tls(server: Server, context: ssl.SSLContext, parameters: str, **front: Any) -> list[Finding]:
    async with tls_front(server.port, context, **front) as port:
        return await asyncio.to_thread(examined, url_of(server, parameters, port=port))


async def test_trusted_certificate_is_described(server: Server, authorities: Authorities) -> None:
    verify = f"?sslmode=verify-full&sslrootcert={authorities.file}"
    findings = await behind_tls(server, authorities.context(), verify)
    seen = one(findings, "tls", OK).seen
    for text in ("TLSv1.3", "verify-full", "Certificate of the harbour", "issued by", "until"):
        assert text in seen
    assert one(findings, "login", OK)


async def test_untrusted_certificate_ends_at_tls_and_is_described(server: Server, authorities: Authorities) -> None:
    verify = f"?sslmode=verify-full&sslrootcert={authorities.other_file}"
    findings = await behind_tls(server, authorities.context(), verify)
    found = one(findings, "tls", PROBLEM)
    assert "is not trusted" in found.seen
    assert "Certificate of the harbour" in found.seen
    assert found.next_command.startswith("openssl s_client -starttls postgres")
    assert one(findings, "login", NOTE).seen.startswith("Not reached")


async def test_certificate_that_nobody_checks_is_a_note(server: Server, authorities: Authorities) -> None:
    findings = await behind_tls(server, authorities.context(), "?sslmode=require")
    assert "does not check" in one(findings, "tls", NOTE).seen
    assert "Certificate of the harbour" in one(findings, "tls", OK).seen
    assert one(findings, "login", OK)


async def test_expired_certificate_is_told(server: Server, authorities: Authorities) -> None:
    expired = authorities.context(not_after=datetime.now(UTC) - timedelta(days=1))
    verify = f"?sslmode=verify-ca&sslrootcert={authorities.file}"
    assert "certificate has expired" in one(await behind_tls(server, expired, verify), "tls", PROBLEM).seen
    unchecked = await behind_tls(server, expired, "?sslmode=require")
    assert "out of its time" in one(unchecked, "tls", WARNING).seen
    assert one(unchecked, "login", OK)


async def test_certificate_that_expires_soon_is_a_warning(server: Server, authorities: Authorities) -> None:
    soon = authorities.context(not_after=datetime.now(UTC) + timedelta(days=3))
    findings = await behind_tls(server, soon, f"?sslmode=verify-full&sslrootcert={authorities.file}")
    assert "expires in 3 days" in one(findings, "tls", WARNING).seen


async def test_tls_from_the_first_byte_is_met(server: Server, authorities: Authorities) -> None:
    context = authorities.context()
    context.set_alpn_protocols(["postgresql"])
    verify = f"?sslnegotiation=direct&sslmode=verify-full&sslrootcert={authorities.file}"
    findings = await behind_tls(server, context, verify, direct=True)
    assert one(findings, "login", OK)


def test_tls_that_is_demanded_and_not_offered_is_a_problem(server: Server) -> None:
    findings = examined(url_of(server, "?sslmode=require"))
    assert "offers no TLS, which sslmode=require demands" in one(findings, "tls", PROBLEM).seen


def test_file_of_authorities_that_is_missing_is_a_problem(server: Server) -> None:
    findings = examined(url_of(server, "?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"))
    assert "/nowhere/ca.pem" in one(findings, "tls", PROBLEM).seen


# --- the server ------------------------------------------------------------------------------------------------


def test_replica_is_a_problem(cluster: tuple[Server, Server]) -> None:
    findings = examined(url_of(cluster[1]))
    assert "is a replica" in one(findings, "writable", PROBLEM).seen


@pytest.mark.parametrize(
    ("place", "reset"),
    [
        ("DATABASE harbour", "DATABASE harbour"),
        ("ROLE mate", "ROLE mate"),
        ("ROLE mate IN DATABASE harbour", "ROLE mate IN DATABASE harbour"),
    ],
)
def test_read_only_default_is_told_with_what_resets_it(server: Server, place: str, reset: str) -> None:
    server.execute(f"ALTER {place} SET default_transaction_read_only = on")
    try:
        found = one(examined(url_of(server)), "writable", PROBLEM)
    finally:
        server.execute(f"ALTER {place} RESET default_transaction_read_only")
    assert f"ALTER {reset} RESET default_transaction_read_only" in found.next_command


def test_read_only_default_of_the_url_is_told_as_that(server: Server) -> None:
    url = url_of(server, "?options=-cdefault_transaction_read_only%3Don")
    found = one(examined(url), "writable", PROBLEM)
    assert "the URL's options" in found.why
    assert "ALTER" not in found.next_command


def test_prepared_transaction_that_nobody_ends_is_told(server: Server) -> None:
    query(url_of(server), "CREATE TABLE IF NOT EXISTS moored ()")
    with psycopg.connect(url_of(server), autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE moored IN ACCESS EXCLUSIVE MODE")
        connection.execute("PREPARE TRANSACTION 'it''s moored'")
        try:
            findings = examined(url_of(server), CheckLimits(long_transaction=0))
        finally:
            connection.execute("ROLLBACK PREPARED 'it''s moored'")
    found = one(findings, "transactions", WARNING)
    assert "it's moored" in found.seen
    assert "ROLLBACK PREPARED" in found.next_command


def test_two_databases_where_one_is_meant_are_a_problem(server: Server) -> None:
    other = url_of(server).replace("harbour", "postgres")
    findings = examined(url_of(server), MIGRATION_DATABASE_URL=other)
    assert "two different databases" in one(findings, "same database", PROBLEM).seen
    same = examined(url_of(server), MIGRATION_DATABASE_URL=url_of(server, "?application_name=direct"))
    assert one(same, "same database", OK)


def test_way_that_is_broken_does_not_hide_what_the_other_shows(server: Server) -> None:
    dead = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d"
    findings = examined(url_of(server), MIGRATION_DATABASE_URL=dead)
    assert one(findings, "tcp", PROBLEM).seen.startswith("MIGRATION_DATABASE_URL: ")
    assert one(findings, "login", OK).seen.startswith("DATABASE_URL: ")
    assert one(findings, "version", OK)


def test_command_on_a_dead_server_waits_for_nothing_and_shows_no_password() -> None:
    env = environment(
        DATABASE_URL=f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d", DB_CONNECT_TIMEOUT="3600", COLUMNS="200"
    )
    result = run("litestar", "database", "doctor", env=env)
    assert result.returncode == 1, result.stderr
    assert "1 problem." in result.stdout
    assert "hunter2" not in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stdout.count("Not reached: there is no session.") == 5
    assert worse_than_notes(examined(env["DATABASE_URL"]))
