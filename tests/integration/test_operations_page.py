"""What the operations page says of a healthy, a migrating and a broken installation, and how it follows them."""

import asyncio
import dataclasses
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from app.api.operations import page as page_module
from app.api.operations.collector import Collector, Source
from app.api.operations.plugin import OperationsPlugin
from app.api.operations.views import PARTS
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.migrator.backfill import records
from app.migrator.locking.migration_lock import LOCK_KEY
from app.postgres.secret import Secret
from tests.conftest import client_of, settings_for
from tests.migrations.conftest import HEAD
from tests.support.database import holding, query, unpooled
from tests.support.sse import asking
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.own_database
OPERATIONS = "operati0ns-" * 6
HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"
PAGE, EVENTS = "/operations", "/operations/events"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url, operations_token=Secret(OPERATIONS))


@pytest.fixture
async def operator(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, OPERATIONS) as connected:
        yield connected


async def whole_page(operator: httpx.AsyncClient) -> str:
    """The page once each part was read: a request waits for two seconds at most."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await operator.get(PAGE)
            assert answer.status_code == 200
            if "being read" not in answer.text and "has not answered" not in answer.text:
                return answer.text
            await asyncio.sleep(0.05)


async def parts(operator: httpx.AsyncClient) -> dict[str, str]:
    """The words of each part of the page, and of nothing else."""
    html = await whole_page(operator)
    found = re.findall(r'<section class="part" id="(\w+)".*?>(.*?)</section>', html, re.DOTALL)
    words = {name: " ".join(re.sub(r"<[^>]*>", " ", html).split()) for name, html in found}
    assert [*words] == [*PARTS]
    assert "cannot be shown" not in html
    return words


def record(url: str, outcome: str, *, revision: str = HEAD, error: str | None = None, by: str = "a test") -> None:
    query(
        url,
        "INSERT INTO schema_history (revision, phase, direction, outcome, applied_by, release, checksum, error)"
        " VALUES (:revision, 'contract', 'upgrade', :outcome, :by, '1', '', :error)",
        revision=revision,
        outcome=outcome,
        error=error,
        by=by,
    )


async def test_page_of_a_healthy_installation(operator: httpx.AsyncClient) -> None:
    found = await parts(operator)
    assert found["verdict"].startswith("Up to date the database is at head")
    assert "This release, 0.2.0 served" in found["verdict"]
    assert "The release before it none no older release has changed this database" in found["verdict"]
    assert found["migration"].startswith("Migration Nobody changes the schema.")
    assert "Nothing: no revision is pending." in found["pending"]
    assert found["backfills"] == "Backfills None is to be run."
    assert "No difference." in found["drift"]
    assert re.search(r"activity_events 3 \d+ empty all", found["partitions"])
    assert "checks are fine" in found["doctor"]
    assert "primary 0 20 0" in found["process"]


async def test_page_shows_what_is_pending_and_whom_it_serves(operator: httpx.AsyncClient, database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = '49b96d722515'")
    query(database_url, "UPDATE schema_history SET release = '0.1.0' WHERE revision <> :head", head=HEAD)
    found = await parts(operator)
    assert found["verdict"].startswith("Pending")
    assert "The release before it served until 62d134fce1a1 contracts" in found["verdict"]
    assert "62d134fce1a1 contract" in found["pending"]
    assert "task_comments ACCESS EXCLUSIVE reads and writes" in found["pending"]


async def test_page_shows_a_contract_that_older_releases_do_not_survive(
    operator: httpx.AsyncClient, database_url: str
) -> None:
    query(database_url, "UPDATE schema_history SET release = '0.1.0'")
    query(
        database_url,
        "INSERT INTO schema_history (revision, phase, direction, outcome, applied_by, release, checksum)"
        " VALUES (:head, 'contract', 'upgrade', 'done', 'a test', '0.2.0', '')",
        head=HEAD,
    )
    assert f"no longer served since the contract revision {HEAD}" in (await parts(operator))["verdict"]


async def test_page_shows_the_migration_under_way_and_whom_it_waits_for(
    operator: httpx.AsyncClient, database_url: str
) -> None:
    with holding(database_url, "SELECT FROM tags") as waiting, unpooled(database_url).connect() as migration:
        migration.execute(text(f"SELECT pg_advisory_lock({LOCK_KEY})"))
        migration.commit()
        record(database_url, "running", revision="abc")
        migrating = asyncio.create_task(asyncio.to_thread(migration.execute, text("LOCK TABLE tags")))
        await asyncio.to_thread(waiting, 1)
        found = await parts(operator)
        waiting(then="ROLLBACK")
        await migrating
        migration.rollback()
    assert found["verdict"].startswith("Migrating the upgrade of abc is under way, and waits for a table")
    assert "Upgrade of abc , contract under way for" in found["migration"]
    assert "for AccessExclusiveLock on tags , held up by: process" in found["migration"]


async def test_page_shows_a_failed_revision_with_its_reason(operator: httpx.AsyncClient, database_url: str) -> None:
    record(database_url, "failed", error="the table is in use")
    found = await parts(operator)
    assert found["verdict"].startswith(f"Failed the upgrade of {HEAD}: the table is in use")
    assert "the table is in use" in found["migration"]
    assert f"upgrade {HEAD} (contract), failed" in await whole_page(operator)


async def test_page_without_a_database_says_so_and_shows_the_rest(
    operator: httpx.AsyncClient, administer: Callable[[str], None], database_url: str
) -> None:
    (name,) = query(database_url, "SELECT current_database()")[0]
    administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        found = await parts(operator)
    finally:
        administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert found["verdict"].startswith("No answer The database cannot be reached:")
    for part in ("migration", "revisions", "pending", "backfills", "drift"):
        assert "This could not be read:" in found[part], part
    assert "streams open 0" in found["process"]
    assert OPERATIONS not in str(found)


async def test_part_that_was_read_stays_with_its_time_once_the_database_is_away(
    app: Litestar, operator: httpx.AsyncClient
) -> None:
    await parts(operator)
    page = await app.plugins.get(OperationsPlugin).page()
    progress = page._collector._progress["activity"]
    progress.reading = dataclasses.replace(progress.reading, error="The server is away.")
    page._collector._collected_at = asyncio.get_running_loop().time() + PATIENCE
    found = await parts(operator)
    assert re.search(r"could not be read: The server is away\. What follows is of [\d:]+ UTC\.", found["revisions"])
    assert "1 step as a table" in found["revisions"]


async def test_part_that_breaks_leaves_the_others_to_those_who_watch(
    app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> dict[str, object]:
        raise RuntimeError("open-sesame")

    monkeypatch.setitem(PARTS, "drift", broken)  # type: ignore[arg-type]
    async with asking(app, "GET", EVENTS, {"authorization": f"Bearer {OPERATIONS}"}) as stream:
        await stream.block()
        found = [(await stream.block() or b"").decode() for _ in PARTS]
    assert [f"event: {name}" for name in PARTS] == [part.split("\n")[0] for part in found]
    assert [part.split("\n")[0] for part in found if "cannot be shown" in part] == ["event: drift"]
    assert "open-sesame" not in "".join(found)


async def test_part_that_failed_is_read_again_soon_and_one_that_was_read_is_not() -> None:
    reads = 0

    async def read() -> str:
        nonlocal reads
        reads += 1
        if reads == 1:
            raise TimeoutError
        return "the value"

    collector = Collector([], [Source("drift", read, every=900)], lambda _: None)
    found = []
    for _ in range(3):
        await collector.collect()
        found.append((reads, collector["drift"].value, collector["drift"].error is None))
        # Ten seconds later.
        collector._progress["drift"].begun -= 10
        collector._collected_at -= 10
    assert found == [(1, None, False), (2, "the value", True), (2, "the value", True)]


async def test_texts_of_the_database_are_never_markup(operator: httpx.AsyncClient, database_url: str) -> None:
    record(database_url, "failed", revision=HOSTILE[:32], error=f"`{HOSTILE}` {HOSTILE}", by=HOSTILE)
    query(database_url, records._CREATE.text)
    query(
        database_url,
        "INSERT INTO schema_backfills (name, after_revision, outcome, total, applied_by, release, checksum, error)"
        " VALUES (:name, '', 'failed', 5, '', '', '', :name)",
        name=HOSTILE,
    )
    html = await whole_page(operator)
    assert html.count("&lt;script&gt;") >= 4
    assert "<script>" not in html
    assert "<img" not in html
    assert "onerror=alert(2)>" not in html


async def test_many_watchers_are_served_by_one_collector_which_ends_with_the_last(
    app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    readiness = app.plugins.get(DatabasePlugin).readiness
    reads: Counter[str] = Counter()
    read_state = readiness.read_state

    async def counted():
        reads["state"] += 1
        return await read_state()

    page = await app.plugins.get(OperationsPlugin).page()
    state, *others = page._collector._fast
    monkeypatch.setattr(page._collector, "_fast", [state._replace(read=counted), *others])
    headers = {"authorization": f"Bearer {OPERATIONS}"}
    began = asyncio.get_running_loop().time()
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(asking(app, "GET", EVENTS, headers)) for _ in range(8)]
        for stream in streams:
            assert (stream.status, stream.headers["content-type"][:17]) == (200, "text/event-stream")
            assert await stream.block() == b"retry: 2000"
            names = [(await stream.block() or b"").split(b"\n")[0].decode() for _ in PARTS]
            assert names == [f"event: {name}" for name in PARTS]
        assert reads["state"] <= 2 + asyncio.get_running_loop().time() - began, "one a second, not one for each"
        monkeypatch.setattr(page_module, "_MOST_WATCHERS", 8)
        async with asking(app, "GET", EVENTS, headers) as refused:
            assert refused.status == 503
        running = page._running
        assert running is not None
    await until(running.done, "nobody watches, and nothing is read")
    assert page._watchers == 0


async def test_watchers_hear_of_what_changes_alone(app: Litestar, database_url: str) -> None:
    headers = {"authorization": f"Bearer {OPERATIONS}"}
    async with asking(app, "GET", EVENTS, headers) as stream:
        for _ in range(1 + len(PARTS)):
            await stream.block()
        record(database_url, "failed", error="boom")
        seen = set()
        while "event: migration" not in seen:
            block = (await stream.block() or b"").decode()
            seen.add(block.split("\n")[0])
            if block.startswith("event: migration"):
                assert "boom" in block
        assert "event: process" not in seen
