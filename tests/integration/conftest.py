"""People, organizations and boards that the tests of the API start from."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from app.core.settings import Settings
from tests.conftest import application_at_head, client_of, cloned, started
from tests.support.api import BOARDS, GROUPS, create
from tests.support.database import insert, kept_connected, query
from tests.support.processes import Server, environment, serving
from tests.support.shared_database import SharedDatabase

SignIn = Callable[[dict[str, Any]], Awaitable[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def emptied_database(
    server_url: str, migrated_template: str, administer: Callable[[str], None]
) -> Iterator[Callable[[], str]]:
    """Returns the URL of a database at head without rows, the same one for as long as tests change rows alone."""
    with ExitStack() as stack:
        shared: SharedDatabase | None = None

        def emptied() -> str:
            nonlocal shared
            if shared is None or not shared.emptied():
                stack.close()
                shared = SharedDatabase(stack.enter_context(cloned(server_url, administer, migrated_template)))
                stack.callback(shared.close)
                stack.enter_context(kept_connected(shared.url))
            return shared.url

        yield emptied


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A database at head, which is this test's alone while it runs; with the mark `own_database`, ever."""
    if request.node.get_closest_marker("own_database"):
        return str(request.getfixturevalue("own_database_url"))
    return str(request.getfixturevalue("emptied_database")())


@pytest.fixture(scope="session")
async def kept_application() -> AsyncIterator[Callable[[Settings], Awaitable[Litestar]]]:
    """Returns an application with these settings, started, the same one for as long as they are the same."""
    async with AsyncExitStack() as stack:
        kept: tuple[Settings, Litestar] | None = None

        async def running(settings: Settings) -> Litestar:
            nonlocal kept
            if kept is None or kept[0] != settings:
                await stack.aclose()
                kept = settings, await stack.enter_async_context(started(application_at_head(settings, 0)))
            return kept[1]

        yield running


@pytest.fixture
async def app(
    request: pytest.FixtureRequest, settings: Settings, kept_application: Callable[[Settings], Awaitable[Litestar]]
) -> AsyncIterator[Litestar]:
    """The application, started; with the mark `own_database`, for this test."""
    if request.node.get_closest_marker("own_database"):
        async with started(application_at_head(settings)) as application:
            yield application
    else:
        yield await kept_application(settings)


@pytest.fixture(scope="module")
def server(
    server_url: str, migrated_template: str, administer: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A process that serves a database of the module's own."""
    log = tmp_path_factory.mktemp("server") / "log"
    with (
        cloned(server_url, administer, migrated_template) as url,
        serving(environment(DATABASE_URL=url), log) as running,
    ):
        running.wait_until_ready()
        yield running


@pytest.fixture
async def replica(app: Litestar, settings: Settings) -> AsyncIterator[Litestar]:
    """A second process of the application, as far as the first one can tell."""
    async with started(application_at_head(settings, 2)) as application:
        yield application


@pytest.fixture
async def me(client: httpx.AsyncClient) -> dict[str, Any]:
    """The signed-in user, who owns the organization Personal."""
    return (await client.get("/api/v1/users/me")).json()


@pytest.fixture
async def board(client: httpx.AsyncClient) -> dict[str, Any]:
    return await create(client, BOARDS, name="Deck", slug="deck", description="The work")


@pytest.fixture
async def tasks_url(board: dict[str, Any]) -> str:
    return f"/api/v1/boards/{board['id']}/tasks"


@pytest.fixture
async def crew(client: httpx.AsyncClient, board: dict[str, Any]) -> dict[str, Any]:
    """The board, which takes three agents."""
    return (await client.patch(f"/api/v1/boards/{board['id']}", json={"max_agents": 3})).json()


@pytest.fixture
async def signed_in(app: Litestar) -> AsyncIterator[SignIn]:
    """A client of the agent that was registered."""
    async with AsyncExitStack() as stack:

        async def sign_in(agent: dict[str, Any]) -> httpx.AsyncClient:
            client = await stack.enter_async_context(client_of(app))
            del client.headers["authorization"]
            client.headers["x-agent-token"] = agent["token"]
            return client

        yield sign_in


class Stranger:
    """Another organization, with a board, a task and a tag, of which the signed-in user is no member."""

    def __init__(self, url: str) -> None:
        self.organization = insert(url, "organizations", name="Strangers")
        self.user = insert(url, "users", subject="stranger")
        theirs = {"organization_id": self.organization}
        self.member = insert(url, "organization_members", **theirs, user_id=self.user, role="owner")
        self.board = insert(url, "boards", **theirs, name="b", slug="b", description="")
        self.task = insert(url, "tasks", **theirs, board_id=self.board, title="secret")
        self.tag = insert(url, "tags", **theirs, name="t", slug="t")


@pytest.fixture
def stranger(client: httpx.AsyncClient, database_url: str) -> Stranger:
    return Stranger(database_url)


class Staff:
    """Other members of the signed-in user's organization, and the user's own membership, which a test may change."""

    def __init__(self, url: str, me: dict[str, Any]) -> None:
        self._url = url
        self.my_user = UUID(me["id"])
        ((organization, member),) = query(
            url, "SELECT organization_id, id FROM organization_members WHERE user_id = :id", id=self.my_user
        )
        self.organization, self.my_member = UUID(str(organization)), UUID(str(member))

    def join(self, role: str, name: str = "Mate") -> UUID:
        """Add a member whose active organization it is, and return the id of the membership."""
        place = self.organization
        user = insert(self._url, "users", subject=uuid4().hex, name=name, active_organization_id=place)
        return insert(self._url, "organization_members", organization_id=place, user_id=user, role=role)

    def i_am(self, role: str) -> None:
        query(self._url, "UPDATE organization_members SET role = :role WHERE id = :id", role=role, id=self.my_member)

    def hand_over(self) -> None:
        """Give the signed-in user's membership to another user, so that the first has no organization."""
        heir = insert(self._url, "users", subject="heir")
        query(self._url, "UPDATE organization_members SET user_id = :u WHERE id = :id", u=heir, id=self.my_member)
        query(self._url, "UPDATE users SET active_organization_id = NULL WHERE id = :id", id=self.my_user)

    def roles(self) -> list[str]:
        statement = "SELECT role FROM organization_members WHERE organization_id = :id ORDER BY role"
        return [str(role) for (role,) in query(self._url, statement, id=self.organization)]

    def active_organizations(self) -> int:
        """Return how many users have the organization as their active one."""
        statement = "SELECT id FROM users WHERE active_organization_id = :id"
        return len(query(self._url, statement, id=self.organization))


@pytest.fixture
def staff(me: dict[str, Any], database_url: str) -> Staff:
    return Staff(database_url, me)


@pytest.fixture
async def group(client: httpx.AsyncClient) -> dict[str, Any]:
    return await create(client, GROUPS, name="Fleet", slug="fleet")


@pytest.fixture
async def grouped(client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any]) -> dict[str, Any]:
    """The board, in the group."""
    response = await client.patch(f"{BOARDS}/{board['id']}", json={"board_group_id": group["id"]})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
def foreign_group(stranger: Stranger, database_url: str) -> UUID:
    """A group of another organization, with that one's board in it."""
    group_id = insert(database_url, "board_groups", organization_id=stranger.organization, name="g", slug="g")
    query(database_url, "UPDATE boards SET board_group_id = :id WHERE id = :board", id=group_id, board=stranger.board)
    return group_id


@pytest.fixture
async def second(client: httpx.AsyncClient) -> dict[str, Any]:
    return await create(client, BOARDS, name="Aft", slug="aft", description="")
