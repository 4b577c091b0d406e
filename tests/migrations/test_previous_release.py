"""The previous release on the schema of the next one: its tests pass, and the two serve side by side."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.support.database import applied, holding, query
from tests.support.load import Balancer, Figures, Traffic, acknowledged
from tests.support.previous_release import SIGNED_IN, migrate
from tests.support.processes import Server, environment, in_checkout, serving
from tests.support.releases import next_release, previous_release
from tests.support.waiting import PATIENCE

RATE = 30


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return previous_release(tmp_path_factory.mktemp("previous"))


@pytest.fixture(scope="module")
def following(tmp_path_factory: pytest.TempPathFactory, previous: Path) -> Path:
    return next_release(tmp_path_factory.mktemp("next"), previous)


def test_tests_of_the_previous_release_pass_on_the_expanded_schema(
    empty_database_url: str, server_url: str, previous: Path, following: Path, long: bool
) -> None:
    migrate(following, empty_database_url, "upgrade", "--phase", "expand", "--no-prompt")
    assert applied(empty_database_url) == ["00000000e003"]
    ((template,),) = query(empty_database_url, "SELECT current_database()")
    apart = {"PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID", "PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS"}
    env = {name: value for name, value in environment().items() if name not in apart}
    of = ("tasks", "boards", "people", "errors", "concurrency") if long else ("tasks",)
    tests = [f"tests/integration/test_api_{name}.py" for name in of]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *tests],
        env=in_checkout(env | {"TEST_DATABASE_URL": server_url, "TEST_TEMPLATE": str(template)}, previous),
        cwd=previous,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout


async def test_rolling_from_two_replicas_of_one_release_to_two_of_the_next(
    empty_database_url: str,
    tmp_path: Path,
    previous: Path,
    following: Path,
    show_figures: Callable[[str, list[Figures]], None],
) -> None:
    url = empty_database_url
    env = environment(DATABASE_URL=url)
    traffic = Traffic(Balancer(), RATE)
    await asyncio.to_thread(migrate, previous, url, "upgrade", "--no-prompt")
    with ExitStack() as stack:

        def start(checkout: Path, name: str) -> Server:
            return stack.enter_context(serving(env, tmp_path / name, cwd=checkout))

        old = [start(previous, "old 1"), start(previous, "old 2")]
        for server in old:
            server.wait_until_ready()
        traffic.balancer.add(*old)
        async with traffic.flowing():
            await traffic.begin("expand")
            await asyncio.to_thread(migrate, following, url, "upgrade", "--phase", "expand", "--no-prompt")
            await traffic.begin("both releases serve")
            new = [start(following, "new 1"), start(following, "new 2")]
            traffic.balancer.add(*new)
            await traffic.until_served_by(*old, *new)
            task = await both_see_a_task_of_the_next(traffic, old[0], new[0])
            for number, server in enumerate(old):
                await traffic.begin(f"old replica {number + 1} stops")
                traffic.balancer.remove(server)
                await stops_after_its_last_answer(f"/api/v1/boards/{traffic.board}/tasks/{task}", server, url)
            await traffic.begin("backfill")
            await asyncio.to_thread(migrate, following, url, "backfill", "task_effort")
            await traffic.begin("contract")
            await asyncio.to_thread(migrate, following, url, "upgrade", "--no-prompt")
            await traffic.begin("an old replica comes late")
            late = start(previous, "late")
            traffic.balancer.add(late)
            assert await answer_of_readyz(late) == (503, "schema_contracted")
            assert not traffic.balancer.serves(late)
    show_figures(f"Rolling from one release to the next at {traffic.rate:.0f} requests a second", traffic.every_figure)
    assert traffic.failures == []
    assert acknowledged(url, traffic) == (traffic.titles, traffic.comments)
    assert query(url, "SELECT count(*) FROM tasks WHERE effort IS NULL") == [(0,)]


async def both_see_a_task_of_the_next(traffic: Traffic, old: Server, new: Server) -> str:
    """What the next release stores, the previous one reads and changes; its own column stays as it was. The id."""
    path = f"/api/v1/boards/{traffic.board}/tasks"
    async with httpx.AsyncClient(headers=SIGNED_IN, timeout=PATIENCE) as client:
        made = (await client.post(f"{new.url}{path}", json={"title": "new", "effort": 5})).json()
        changed = (await client.patch(f"{old.url}{path}/{made['id']}", json={"title": "seen by both"})).json()
        read = (await client.get(f"{new.url}{path}/{made['id']}")).json()
    assert made["effort"] == 5
    assert "in_progress_at" in changed
    assert "effort" not in changed
    assert (read["title"], read["effort"]) == ("seen by both", 5)
    traffic.titles[UUID(made["id"])] = "seen by both"
    return str(made["id"])


async def stops_after_its_last_answer(task: str, server: Server, url: str) -> None:
    """SIGTERM comes while a change waits for a row that somebody else holds: it is still made, and acknowledged."""
    held = "SELECT FROM tasks WHERE id = CAST(:id AS uuid) FOR UPDATE"
    async with httpx.AsyncClient(headers=SIGNED_IN, timeout=PATIENCE) as client:
        with holding(url, held, id=task.rpartition("/")[2]) as waiting:
            change = {"description": f"the last of {server.url}"}
            last = asyncio.create_task(client.patch(f"{server.url}{task}", json=change))
            await asyncio.to_thread(waiting, 1)
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            await no_longer_listens(server)
        assert (await last).status_code == 200
        # Uvicorn ends itself by the signal once it is done.
        assert await stopping == -signal.SIGTERM


async def no_longer_listens(server: Server) -> None:
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"{server.url}/healthz")
            except httpx.TransportError:
                return


async def answer_of_readyz(server: Server) -> tuple[int, str]:
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
        while True:
            try:
                response = await client.get(f"{server.url}/readyz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return response.status_code, response.json()["code"]
