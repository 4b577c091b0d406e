"""Two clusters, of which one follows the other by streaming replication: who reads which, and what he reads there."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import msgspec
import psutil
import psycopg
import pytest
from litestar import Litestar
from sqlalchemy import event

from app.asgi import create_app
from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.db.plugin import DatabasePlugin
from app.db.replicas import replica, wal_tracker
from app.db.replicas.selection import Replicas
from app.db.request.single_connection import SingleConnectionSession
from app.migrator.backfill import Backfill
from app.migrator.backfill.batch import Batches
from app.migrator.backfill.records import begin
from app.postgres.secret import Secret
from tests.conftest import application_at_head, client_of, database_named, settings_for, started
from tests.support.api import create, register
from tests.support.database import holding, insert, query, unpooled
from tests.support.doctor import OK, PROBLEM, WARNING, examined, one
from tests.support.metrics import scraped
from tests.support.migrator import upgrade
from tests.support.sse import reading
from tests.support.steady import coming
from tests.support.throwaway_postgres import LastingServer, new_cluster, standby_of
from tests.support.waiting import PATIENCE, loop_clock, until, wait_until

_HBA = "local all,replication all trust\nhost all,replication all 127.0.0.1/32 trust\n"
_SETTINGS = {"max_connections": "60", "log_statement": "all"}
# Conflicts end queries of the standby at once.
_OF_STANDBY = {**_SETTINGS, "max_standby_streaming_delay": "50ms"}
_TEMPLATE = "migrated"
_STATEMENT = re.compile(r"(?:statement|execute [^:]+): (.*)")
# Seconds that a lagging replica is read for by tests that are not about that.
_LONG = 60.0
_BOARDS = "/api/v1/boards"
_TAGS = "/api/v1/tags"
_LOCK = 4711


class Pair(NamedTuple):
    primary: LastingServer
    standby: LastingServer

    @contextmanager
    def unheard(self, name: str) -> Iterator[None]:
        """Nobody who listens in this database hears anything within this context, nor is answered."""
        watching = "SELECT pid FROM pg_stat_activity WHERE application_name = 'plimsoll watching'"
        backends = [psutil.Process(int(str(pid))) for (pid,) in query(database_named(self.primary.url, name), watching)]
        for backend in backends:
            backend.suspend()
        try:
            yield
        finally:
            for backend in backends:
                backend.resume()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The standby shows nothing that is written within this context."""
        query(self.standby.url, "SELECT pg_wal_replay_pause()")
        try:
            state = "SELECT pg_get_wal_replay_pause_state()"
            wait_until(lambda: query(self.standby.url, state) == [("paused",)], "the standby stands still")
            yield
        finally:
            query(self.standby.url, "SELECT pg_wal_replay_resume()")


class Heard:
    """What a server was asked within a context, but for the watching and the notifications."""

    def __init__(self, server: LastingServer) -> None:
        self._log = server.directory / "log"
        self._begin = self._log.stat().st_size

    @property
    def text(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode().replace("\n\t", " ")

    def statements(self) -> list[str]:
        return [statement for statement in _STATEMENT.findall(self.text) if "pg_" not in statement]

    def has(self, table: str) -> bool:
        return any(re.search(rf"\b(FROM|INTO|UPDATE) {table}\b", statement) for statement in self.statements())


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with new_cluster(_HBA) as directory, LastingServer(directory, _SETTINGS) as primary:
        query_outside(primary.url, f"CREATE DATABASE {_TEMPLATE}")
        upgrade(settings_for(database_named(primary.url, _TEMPLATE)))
        with standby_of(primary.server) as copy, LastingServer(copy, _OF_STANDBY) as standby:
            yield Pair(primary, standby)
            log = (copy / "log").read_text()
    assert "read-only transaction" not in log


@pytest.fixture
def name(pair: Pair) -> str:
    """Return the name of a database of this test's own."""
    name = f"test_{uuid4().hex}"
    query_outside(pair.primary.url, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    return name


def query_outside(url: str, statement: str) -> None:
    """Any transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def settings(pair: Pair, name: str) -> Settings:
    return settings_for(
        database_named(pair.primary.url, name),
        database_replica_urls=(Secret(database_named(pair.standby.url, name)),),
        db_replica_max_lag=_LONG,
        db_pool_size=10,
    )


@pytest.fixture
def strict(settings: Settings) -> Settings:
    """Return the settings with the default lag."""
    return msgspec.structs.replace(settings, db_replica_max_lag=Settings().db_replica_max_lag)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that answers late is read all the same: on a busy machine each does now and then."""
    limits = (
        (replica, "POLL_TIMEOUT"),
        (replica, "_REPLICA_POLL_TIMEOUT"),
        (replica, "_POOL_TIMEOUT"),
        (wal_tracker, "POLL_TIMEOUT"),
    )
    for module, name in limits:
        monkeypatch.setattr(module, name, _LONG)


@pytest.fixture
async def app(settings: Settings, patient: None) -> AsyncIterator[Litestar]:
    async with reading_app(settings) as app:
        yield app


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield the client of a second process of the application, as far as the first one can tell."""
    async with reading_app(settings, 2) as app, client_of(app) as client:
        yield client


@asynccontextmanager
async def reading_app(settings: Settings, number: int = 1) -> AsyncIterator[Litestar]:
    """Yield an application once its replica is read."""
    async with started(application_at_head(settings, number)) as app:
        await until(lambda: replicas_of(app).all[0].fault is None)
        yield app


def replicas_of(app: Litestar) -> Replicas:
    replicas = app.plugins.get(DatabasePlugin).replicas
    assert replicas is not None
    return replicas


async def until_it_is_read(pair: Pair, client: httpx.AsyncClient, path: str, table: str) -> None:
    """Asks until the standby answers: on a busy machine it may be left out now and then."""
    standby = Heard(pair.standby)
    async with asyncio.timeout(PATIENCE):
        while not standby.has(table):
            assert (await client.get(path)).status_code == 200
            await asyncio.sleep(0.02)


async def caught_up(app: Litestar, pair: Pair) -> None:
    """The replicas show all that was written, and the application knows that."""
    ((position,),) = query(pair.primary.url, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")

    def is_there() -> bool:
        # What the primary has noted by the way stays with it until somebody commits something.
        query(pair.primary.url, "SELECT pg_current_xact_id()")
        return all(replica.position >= int(str(position)) for replica in replicas_of(app).all)

    await until(is_there)


async def made_board(client: httpx.AsyncClient, slug: str = "deck") -> dict[str, Any]:
    return await create(client, _BOARDS, name=slug, slug=slug, description="")


async def slugs(client: httpx.AsyncClient) -> set[str]:
    response = await client.get(_BOARDS)
    assert response.status_code == 200, response.text
    return {board["slug"] for board in response.json()["items"]}


async def test_the_replica_answers_what_reads_and_the_primary_what_writes(
    app: Litestar, client: httpx.AsyncClient, pair: Pair, name: str
) -> None:
    standby = Heard(pair.standby)
    board = await made_board(client)
    path = f"{_BOARDS}/{board['id']}"
    patched = await client.patch(path, json={"name": "Bow"}, headers={"If-Match": '"stale"'})
    assert patched.status_code == 412
    patched = await client.patch(path, json={"name": "Bow"}, headers={"If-Match": patched.json()["etag"]})
    assert patched.status_code == 200
    assert standby.statements() == []
    await caught_up(app, pair)
    before = await scraped(client)
    primary = Heard(pair.primary)
    answer = await client.get(path)
    assert (answer.json(), answer.headers["etag"]) == (patched.json(), patched.headers["etag"])
    assert (await client.head(path)).status_code == 200
    assert await slugs(client) == {"deck"}
    assert primary.statements() == []
    assert standby.has("boards")
    after = await scraped(client)
    # The counter is the process's: it has the databases of other tests, too.
    read = f"plimsoll_requests_read_total server=127.0.0.1:{pair.standby.port}/{name}"
    assert after[read] - before.get(read, 0) == 3
    assert [value for key, value in after.items() if key.startswith("plimsoll_replica_read")] == [1]
    assert [value < _LONG for key, value in after.items() if key.startswith("plimsoll_replica_lag_seconds")] == [True]


async def test_who_has_written_reads_it_at_every_process_and_others_what_was_before(
    app: Litestar, client: httpx.AsyncClient, other: httpx.AsyncClient, pair: Pair
) -> None:
    board = await made_board(client)
    agent = await register(client, board)
    task = await create(client, f"{_BOARDS}/{board['id']}/tasks", title="before")
    path = f"/api/v1/agent/boards/{board['id']}/tasks"
    await caught_up(app, pair)
    async with client_of(app, agent["token"]) as bosun:
        with pair.paused():
            await client.patch(f"{_BOARDS}/{board['id']}/tasks/{task['id']}", json={"title": "after"})
            for number, reader in enumerate((client, other) * 3):
                # It has heard of it before it answers.
                await made_board(client, f"b{number}")
                assert f"b{number}" in await slugs(reader)
                answer = await reader.get(f"{_BOARDS}/{board['id']}/tasks/{task['id']}")
                assert answer.json()["title"] == "after"
            standby = Heard(pair.standby)
            assert [task["title"] for task in (await bosun.get(path)).json()["items"]] == ["before"]
            assert standby.has("tasks")
        await caught_up(app, pair)
        standby = Heard(pair.standby)
        assert [task["title"] for task in (await bosun.get(path)).json()["items"]] == ["after"]
        assert "b0" in await slugs(client)
        assert standby.has("tasks")
        assert standby.has("boards")


async def test_who_asks_before_his_process_has_heard_of_it_waits_until_it_has(
    client: httpx.AsyncClient, other: httpx.AsyncClient, app: Litestar, pair: Pair, name: str
) -> None:
    await made_board(client)
    await caught_up(app, pair)
    with pair.paused():
        with pair.unheard(name):
            await made_board(client, "b")
            asking = asyncio.create_task(slugs(other))
            done, _ = await asyncio.wait({asking}, timeout=0.2)
        assert not done
        assert "b" in await asking


async def test_a_change_that_nobody_can_be_told_of_is_answered_once_no_process_reads_what_was_before(
    pair: Pair, name: str, strict: Settings
) -> None:
    url = database_named(pair.primary.url, name)
    cut = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = :name AND query = 'COMMIT;'"
    async with (
        reading_app(strict) as app,
        reading_app(strict, 2) as other_app,
        client_of(app) as client,
        client_of(other_app) as other,
    ):
        await made_board(client)
        await caught_up(other_app, pair)
        with pair.paused():
            event.listen(SingleConnectionSession, "after_commit", lambda _: query(url, cut, name=name), once=True)
            await made_board(client, "b")
            assert "b" in await slugs(other)


async def test_tokens_are_known_at_once_and_good_no_longer_than_the_lag_allows(
    app: Litestar, client: httpx.AsyncClient, other: httpx.AsyncClient, strict: Settings, pair: Pair
) -> None:
    board = await made_board(client)
    agent = await register(client, board)
    await caught_up(app, pair)
    me, tokens = "/api/v1/users/me", "/api/v1/users/me/tokens"
    older = await create(client, tokens, name="Laptop")
    await caught_up(app, pair)
    with pair.paused():
        newer = await create(client, tokens, name="Phone")
        for token in (older, newer):
            other.headers["authorization"] = f"Bearer {token['token']}"
            assert (await other.get(me)).status_code == 200
            assert (await client.delete(f"{tokens}/{token['id']}")).status_code < 300
            # Its owner has taken it away.
            assert (await other.get(me)).status_code == 401
    await caught_up(app, pair)
    me = "/api/v1/agent/healthz"
    async with reading_app(strict) as in_time, client_of(in_time, agent["token"]) as bosun:
        assert (await bosun.get(me)).status_code == 200
        with pair.paused():
            assert (await client.delete(f"/api/v1/agents/{agent['id']}")).status_code < 300
            async with loop_clock() as clock:
                while (asked_at := clock()) < 1 and (await bosun.get(me)).status_code == 200:
                    await asyncio.sleep(0.02)
            assert asked_at < 1
            assert (await bosun.get(me)).status_code == 401


async def test_what_a_reading_request_writes_goes_to_the_primary(
    app: Litestar, client: httpx.AsyncClient, pair: Pair, name: str
) -> None:
    # The first that the shared token's user asks for, and the first use of a token.
    with pair.paused():
        assert (await client.get("/api/v1/users/me")).status_code == 200
        assert (await client.get("/api/v1/organizations/me")).json()["name"] == "Personal"
    token = await create(client, "/api/v1/users/me/tokens", name="Laptop")
    await caught_up(app, pair)
    async with client_of(app, token["token"]) as laptop:
        standby = Heard(pair.standby)
        with pair.paused():
            assert (await laptop.get("/api/v1/users/me")).status_code == 200
            assert standby.has("users")
            used = (await laptop.get(f"/api/v1/users/me/tokens/{token['id']}")).json()["last_used_at"]
            assert used is not None
        await caught_up(app, pair)
        primary = Heard(pair.primary)
        assert (await laptop.get("/api/v1/users/me")).status_code == 200
        assert primary.statements() == []
        # The organization of a person whose organization is gone.
        query_outside(database_named(pair.primary.url, name), "DELETE FROM organizations")
        await caught_up(app, pair)
        for _ in range(2):
            assert (await laptop.get("/api/v1/organizations/me")).json()["name"] == "Personal"


async def test_person_who_has_just_joined_an_organization_that_the_replica_lacks_gets_no_other(
    app: Litestar, client: httpx.AsyncClient, pair: Pair, name: str
) -> None:
    url = database_named(pair.primary.url, name)
    me = UUID((await client.get("/api/v1/users/me")).json()["id"])
    query(url, "DELETE FROM organizations")
    await caught_up(app, pair)
    standby = Heard(pair.standby)
    with pair.paused():
        joined = insert(url, "organizations", name="Joined")
        insert(url, "organization_members", organization_id=joined, user_id=me, role="member")
        assert (await client.get("/api/v1/organizations/me")).json()["name"] == "Joined"
    assert standby.has("users")
    assert query(url, "SELECT name FROM organizations") == [("Joined",)]


async def test_no_connection_is_held_while_a_change_that_all_were_told_of_is_answered(
    app: Litestar, client: httpx.AsyncClient, pair: Pair
) -> None:
    token = await create(client, "/api/v1/users/me/tokens", name="Laptop")
    await caught_up(app, pair)
    pool = app.plugins.get(DatabasePlugin).engine.pool
    held: list[int] = []

    async def spy(scope: Any, receive: Any, send: Any) -> None:
        async def spying_send(message: Any) -> None:
            held.append(pool.checkedout())  # type: ignore[attr-defined]
            await send(message)

        await app(scope, receive, spying_send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(spy), base_url="http://test") as laptop:
        laptop.headers["Authorization"] = f"Bearer {token['token']}"
        # The first use of the token, which is stored; then a change.
        assert (await laptop.get("/api/v1/users/me")).status_code == 200
        await made_board(laptop)
    assert set(held) == {0}


async def test_streams_begin_with_what_the_primary_has(app: Litestar, client: httpx.AsyncClient, pair: Pair) -> None:
    board = await made_board(client)
    lead = await register(client, board)
    await caught_up(app, pair)
    with pair.paused():
        async with client_of(app, lead["token"]) as bosun:
            await create(bosun, f"/api/v1/agent/boards/{board['id']}/tasks", title="before")
        async with reading(app, f"{_BOARDS}/{board['id']}/tasks/stream") as stream:
            await create(client, f"{_BOARDS}/{board['id']}/tasks", title="after")
            assert (await stream.next()).data["task"]["title"] == "after"


async def test_a_replica_that_lags_is_left_out_until_it_has_caught_up(
    pair: Pair, strict: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    async with reading_app(strict) as app, client_of(app) as client:
        (replica,) = replicas_of(app).all
        board = await made_board(client)
        agent = await register(client, board)
        await caught_up(app, pair)
        async with client_of(app, agent["token"]) as bosun:
            with pair.paused():
                await create(client, f"{_BOARDS}/{board['id']}/tasks", title="Load")
                await until(lambda: replica.fault is not None)
                standby = Heard(pair.standby)
                tasks = await bosun.get(f"/api/v1/agent/boards/{board['id']}/tasks")
                assert [task["title"] for task in tasks.json()["items"]] == ["Load"]
                assert standby.statements() == []

                def is_told() -> bool:
                    told.append(capsys.readouterr().err)
                    return "behind the primary" in "".join(told)

                await until(is_told)
            await until_it_is_read(pair, bosun, f"/api/v1/agent/boards/{board['id']}/tasks", "tasks")
    # For that alone: at the start, too, nothing else is said of one that is well.
    assert "a replica is left out" in "".join(told)
    assert "timeline" not in "".join(told)


class Load:
    """Fifty requests a second, one in ten of which writes; `seconds` are what each took by the loop's clock."""

    def __init__(self, client: httpx.AsyncClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self.seconds: list[float] = []
        self.failed: list[str] = []

    def flowing(self) -> AbstractAsyncContextManager[set[asyncio.Task[None]]]:
        return coming(self._ask, 50)

    async def more(self, count: int = 20) -> None:
        wanted = len(self.seconds) + count
        await until(lambda: len(self.seconds) >= wanted)

    async def _ask(self, number: int) -> None:
        at = self._clock()
        if number % 10:
            response = await self._client.get(_BOARDS)
        else:
            response = await self._client.post(_TAGS, json={"name": f"tag {number}"})
        self.seconds.append(self._clock() - at)
        if response.status_code not in {200, 201}:
            self.failed.append(f"{response.status_code} {response.text}")


@pytest.mark.usefixtures("patient_readiness")
@pytest.mark.parametrize(
    ("leave", "come_back"),
    [(LastingServer.kill, LastingServer.start), (LastingServer.fall_silent, LastingServer.go_on)],
    ids=["killed", "silent"],
)
async def test_no_request_fails_or_waits_when_the_replica_dies_and_it_is_read_again_when_it_is_back(
    strict: Settings, pair: Pair, leave: Callable[[LastingServer], None], come_back: Callable[[LastingServer], None]
) -> None:
    async with reading_app(strict) as app, client_of(app) as client, loop_clock() as clock:
        (replica,) = replicas_of(app).all
        # The user of the shared token is there.
        await client.get("/api/v1/users/me")
        load = Load(client, clock)
        async with load.flowing() as under_way:
            await load.more()
            await asyncio.to_thread(leave, pair.standby)
            try:
                await until(lambda: replica.fault is not None)
                assert (await client.get("/readyz")).status_code == 200
                read = [v for key, v in (await scraped(client)).items() if key.startswith("plimsoll_replica_read")]
                assert read == [0]
                met_it = set(under_way)
                await until(lambda: not met_it & under_way)
                await load.more()
            finally:
                await asyncio.to_thread(come_back, pair.standby)
            standby = Heard(pair.standby)
            await until(lambda: replica.fault is None)
            await until(lambda: standby.has("boards"))
    assert load.failed == []
    # Without a watch those that met it would have waited for a connection, or for their statement.
    assert max(load.seconds) < 0.8 * min(strict.db_pool_timeout, strict.db_statement_timeout)


async def test_while_the_primary_is_away_reads_are_503_as_writes_are(pair: Pair, strict: Settings) -> None:
    """Nobody can tell how old a replica is."""
    hurried = msgspec.structs.replace(strict, db_pool_timeout=0.5, db_statement_timeout=1.0)
    async with reading_app(hurried) as app, client_of(app) as client:
        (replica,) = replicas_of(app).all
        await made_board(client)
        await caught_up(app, pair)
        pair.primary.fall_silent()
        try:
            await until(lambda: replica.fault is not None)
            answers = [await client.get(_BOARDS), await client.post(_TAGS, json={"name": "Rope"})]
        finally:
            pair.primary.go_on()
        assert [answer.status_code for answer in answers] == [503] * 2
        assert {answer.json()["code"] for answer in answers} == {"database_unavailable"}
        await until_it_is_read(pair, client, _BOARDS, "boards")


async def test_what_recovery_or_an_operator_cancels_is_answered_by_the_primary(
    app: Litestar, client: httpx.AsyncClient, pair: Pair, name: str
) -> None:
    url, standby_url = database_named(pair.primary.url, name), database_named(pair.standby.url, name)
    await create(client, _TAGS, name="Rope")
    # Reading tags waits on a standby, and nowhere else.
    waits = f"CASE WHEN pg_is_in_recovery() THEN pg_advisory_lock_shared({_LOCK})::text IS NOT NULL ELSE true END"
    query(url, "ALTER TABLE tags RENAME TO kept_tags")
    query(url, f"CREATE VIEW tags AS SELECT * FROM kept_tags WHERE {waits}")
    query(url, "CREATE TABLE gone AS SELECT generate_series(1, 100)")
    await caught_up(app, pair)

    def vacuum() -> None:
        query(url, "DELETE FROM gone")
        query_outside(url, "VACUUM gone")

    def operate(how: str) -> None:
        waiting = f"SELECT {how}(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        assert query(standby_url, waiting) == [(True,)]

    ways = (
        (vacuum, "conflict with recovery"),
        (partial(operate, "pg_cancel_backend"), "user request"),
        (partial(operate, "pg_terminate_backend"), "administrator command"),
    )
    for cancel, words in ways:
        await until(lambda: replicas_of(app).all[0].fault is None)
        standby = Heard(pair.standby)
        with holding(standby_url, f"SELECT pg_advisory_lock({_LOCK})") as waits_there:
            asking = asyncio.create_task(client.get(_TAGS))
            await asyncio.to_thread(waits_there)
            cancel()
            answer = await asking
        assert (answer.status_code, [tag["name"] for tag in answer.json()["items"]]) == (200, ["Rope"])
        assert words in standby.text


async def test_the_primary_answers_where_a_connection_is_to_another_server_or_ends_at_once(
    app: Litestar,
    client: httpx.AsyncClient,
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await made_board(client)
    await caught_up(app, pair)
    for answer, words in (
        ("SELECT now()", "leads to another server"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "administrator command"),
    ):
        await until(lambda: replicas_of(app).all[0].fault is None)
        monkeypatch.setattr(replica, "_SELECT_START_TIME", answer)
        capsys.readouterr()
        standby = Heard(pair.standby)
        assert await slugs(client) == {"deck"}
        assert not standby.has("boards")
        assert words in capsys.readouterr().err


async def test_what_is_no_replica_of_the_primary_is_left_out(
    pair: Pair, name: str, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    primary = database_named(pair.primary.url, name)
    urls = {
        "another cluster": database_url,
        "another database": database_named(pair.standby.url, _TEMPLATE),
        "itself": primary,
        "nowhere": "postgresql://u:hunter2@127.0.0.1:1/db",
    }
    settings = settings_for(primary, database_replica_urls=tuple(map(Secret, urls.values())))
    said: list[str] = []

    def log() -> str:
        said.append(capsys.readouterr().err)
        return "".join(said)

    async with started(create_app(settings)) as app, client_of(app) as client:
        replicas = replicas_of(app)
        await until(lambda: log().count("a replica is left out") >= len(urls))
        assert (await made_board(client))["slug"] in await slugs(client)
        faults = dict(zip(urls, (replica.fault for replica in replicas.all), strict=True))
    assert "not in recovery" in str(faults["another cluster"])
    assert "no copy of the primary" in str(faults["another database"])
    assert "not in recovery" in str(faults["itself"])
    assert "refused" in str(faults["nowhere"])
    assert "hunter2" not in log()


async def test_doctor_tells_of_each_replica(pair: Pair, name: str, database_url: str) -> None:
    known = f"SELECT FROM pg_database WHERE datname = '{name}'"
    await until(lambda: query(pair.standby.url, known) == [()])
    primary, standby = (database_named(server.url, name) for server in pair)
    nowhere = "postgresql://u:hunter2@127.0.0.1:1/db"
    given = ",".join((standby, primary, database_url, nowhere))
    findings = await asyncio.to_thread(examined, primary, DATABASE_REPLICA_URLS=given)
    found = [finding for finding in findings if finding.check == "replicas"]
    words = ("bytes of the log behind", "is not in recovery", "is no copy of this database", "refused")
    assert [finding.severity for finding in found] == [OK, WARNING, WARNING, WARNING]
    assert [word for finding, word in zip(found, words, strict=True) if word not in finding.seen] == []
    wrong = await asyncio.to_thread(examined, primary, DATABASE_REPLICA_URLS="mysql://u:hunter2@b/d")
    assert one(wrong, "replicas", PROBLEM)


async def test_replicas_are_read_in_turn_and_one_that_is_promoted_no_more(
    pair: Pair, settings: Settings, name: str
) -> None:
    with standby_of(pair.primary.server) as copy, LastingServer(copy, _OF_STANDBY) as second:
        urls = (*settings.database_replica_urls, Secret(database_named(second.url, name)))
        both = msgspec.structs.replace(settings, database_replica_urls=urls)
        async with started(create_app(both)) as app, client_of(app) as client:
            replicas = replicas_of(app).all
            await made_board(client)
            await until(lambda: all(replica.fault is None for replica in replicas))
            await caught_up(app, pair)
            heard = [Heard(pair.standby), Heard(second)]
            assert [await slugs(client) for _ in heard] == [{"deck"}] * 2
            assert [each.has("boards") for each in heard] == [True, True]
            query(second.url, "SELECT pg_promote()")
            await until(lambda: replicas[1].fault is not None)
            heard = [Heard(pair.standby), Heard(second)]
            assert [await slugs(client) for _ in heard] == [{"deck"}] * 2
            assert [each.has("boards") for each in heard] == [True, False]
        # For the new primary one that still follows the old one is ahead, and none of it.
        parted = msgspec.structs.replace(settings, database_url=Secret(database_named(second.url, name)))
        async with started(create_app(parted)) as app, client_of(app) as client:
            (replica,) = replicas_of(app).all
            await until(lambda: "timeline" in str(replica.fault))
            await made_board(client, "new")
            assert await slugs(client) == {"deck", "new"}


def test_batch_of_a_backfill_sees_that_a_standby_is_behind(pair: Pair, name: str) -> None:
    url = database_named(pair.primary.url, name)
    query(url, "CREATE TABLE numbers AS SELECT n, 0 AS doubled FROM generate_series(1, 100000) AS n")
    query(url, "ALTER TABLE numbers ADD PRIMARY KEY (n)")
    backfill = Backfill(
        name="fill", table="numbers", after="head", update="UPDATE numbers SET doubled = n * 2 WHERE {batch}"
    )
    with unpooled(url).connect() as connection:
        with connection.begin():
            batches = Batches(connection, migrator_config(settings_for(url)), backfill)
            begin(connection, backfill, 0, "release")
        with pair.paused():
            wait_until(lambda: batches.run(connection, 1, 0, 1.0).lag > 0.1, "the lag is seen")
        wait_until(lambda: batches.run(connection, 1, 0, 1.0).lag < 0.1, "the standby has caught up")
