"""Who may do what, over every operation of the served document: with another organization's ids, by every kind of
caller, and by nobody. A new operation is walked by itself, or fails where it cannot be filled.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import count, cycle
from typing import NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from tests.conftest import TOKEN, client_of
from tests.integration.conftest import Staff
from tests.support.database import query
from tests.support.furnished import Furnished, People, digests, furnish
from tests.support.operations import KINDS, TEXTS, Answer, Operation, Place, ask, operations
from tests.support.organization_columns import astray
from tests.support.rights import Caller, may

_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z")
_ANY_TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+[^\"]*")
_NEW_ID = re.compile(rb'"(?:id|payload_id)":"([^"]*)"')
_REQUEST_ID = re.compile(rb'"request_id":"\w+"')
_ADDRESSES = count(int(ip_address("10.0.0.1")))
# What is on a board, or in its group; the rest is the organization's.
ON_BOARDS = {"board", "group", "agent", "task", "dependency", "approval", "webhook", "payload"}


class World(NamedTuple):
    app: Litestar
    operations: list[Operation]
    theirs: Furnished
    home: Furnished
    away: Furnished
    callers: list[Caller]
    strangers: dict[str, dict[str, str]]

    @property
    def ours(self) -> list[Caller]:
        return [caller for caller in self.callers if not caller.is_theirs]

    @property
    def missing(self) -> dict[str, str]:
        return {kind: str(uuid4()) for kind in KINDS.values()}

    async def ask(self, who: Caller | dict[str, str], operation: Operation, request: tuple[str, bytes]) -> Answer:
        """Send the request from an address of its own, since failed sign-ins of one address are limited."""
        headers = who.headers if isinstance(who, Caller) else who
        return await ask(self.app, operation, request, headers, str(ip_address(next(_ADDRESSES))))


# What they change is the caller's own, or what tasks are described by, or in the walk nothing; or the trail goes too.
NOT_TOLD_OF = (
    "bootstrap update_me delete_me set_active_organization create_tag update_tag delete_tag create_custom_field"
    " update_custom_field delete_custom_field update_member resolve_approval delete_my_organization"
)
# What the contract wants to see of what is gone.
SHOWN_ONCE_MORE = {"delete_invite"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def world(app: Litestar, client: httpx.AsyncClient, staff: Staff, database_url: str) -> World:
    people = People(database_url)
    us, they = str(staff.my_user), people.user()
    people.organization(they)
    token = people.token(they)
    async with client_of(app, token.secret) as theirs_client:
        theirs = await furnish(theirs_client, "Theirs", token)
    home, away = [await furnish(client, word, people.token(us)) for word in ("Home", "Away")]
    owner = bearer(TOKEN)

    def member(name: str, on_home: str = "", on_away: str = "", *, role: str = "member", **access: bool) -> Caller:
        user = people.user()
        joined = people.join(str(staff.organization), user, role, **access)
        if on_home and not on_away:
            people.grant(joined, home.ids["board"], writes="w" in on_home)
        return Caller(name, bearer(people.token(user).secret), role, on_home, on_away)

    # Whom nobody of those below is.
    home.ids["member"] = people.join(str(staff.organization), people.user(), "member")
    removed = people.user()
    left = people.join(str(staff.organization), removed, "admin")
    removed_caller = Caller("removed", bearer(people.token(removed).secret), "none")
    callers = [
        Caller("owner", owner, "owner", "rw", "rw"),
        Caller("owner, to read", bearer(people.token(us, "read").secret), "owner", "rw", "rw", reads_only=True),
        member("admin", "rw", "rw", role="admin"),
        member("writes all boards", "rw", "rw", all_boards_write=True),
        member("reads all boards", "r", "r", all_boards_read=True),
        member("writes home", "rw"),
        member("reads home", "r"),
        member("no grant"),
        removed_caller,
        Caller("their agent", {"x-agent-token": theirs.secrets["agent"]}, "agent", is_theirs=True),
        Caller("agent of away", {"x-agent-token": away.secrets["agent"]}, "agent", "", "rw"),
        Caller("agent of home", {"x-agent-token": home.secrets["agent"]}, "agent", "rw", ""),
    ]
    answer = await client.delete(f"/api/v1/organizations/me/members/{left}")
    assert answer.status_code == 204
    # Their first request makes them an organization of their own.
    async with client_of(app, None) as left_client:
        assert (await left_client.get("/api/v1/boards", headers=removed_caller.headers)).status_code == 200
    strangers = await out(client, people, us)
    strangers["two at once"] = {**owner, "x-agent-token": home.secrets["agent"]}
    return World(app, operations(app), theirs, home, away, callers, strangers)


async def out(client: httpx.AsyncClient, people: People, user: str) -> dict[str, dict[str, str]]:
    """Return headers that let nobody in, or no longer."""
    revoked = people.token(user)
    deleted = (await client.post("/api/v1/agents", json={"name": "deleted"})).json()
    for path in (f"users/me/tokens/{revoked.id}", f"agents/{deleted['id']}"):
        assert (await client.delete(f"/api/v1/{path}")).status_code == 204
    return {
        "nobody": {},
        "malformed": {"authorization": TOKEN},
        "not known": bearer(f"plp_{uuid4().hex}"),
        "deleted agent": {"x-agent-token": deleted["token"]},
        "expired": bearer(people.token(user, expires="-1 second").secret),
        "revoked": bearer(revoked.secret),
    }


async def test_another_organizations_ids_are_ids_of_nothing(world: World, database_url: str) -> None:
    before = digests(database_url)
    wrong: list[str] = []
    for operation in (one for one in world.operations if one.places):
        # Of those who may do it, the one with the most rights has each id tried by itself.
        first = next(caller for caller in (world.callers[0], world.callers[-1]) if may(caller, operation, "rw"))
        for places in trials(operation):
            names = ", ".join(sorted(place.name for place in places))
            nothing = await world.ask(first, operation, operation.request(world.home.ids, world.missing, places))
            for caller in world.ours if len(places) == len(operation.places) else [first]:
                sent = operation.request(world.home.ids, world.theirs.ids, places)
                answer = await world.ask(caller, operation, sent)
                if not is_of_nothing(answer, nothing, caller, operation):
                    wrong.append(f"{caller.name}, {names}: {operation} {answer}; of nothing {nothing}")
            is_filter = {place.where for place in places} == {"query"}
            if not (is_refused(nothing, and_may=True) or is_filter):
                wrong.append(f"{first.name}, {names}: {operation} {nothing}")
    assert not wrong, "\n".join(wrong)
    assert digests(database_url) == before


def trials(operation: Operation) -> list[set[Place]]:
    """What it names, one by one and all at once. What is public takes who names all of it right."""
    places = operation.places
    every = [set(places)] if len(places) > 1 and not operation.is_public else []
    return [{place} for place in places] + every


def is_of_nothing(answer: Answer, nothing: Answer, caller: Caller, operation: Operation) -> bool:
    """Whether a caller cannot tell it from what there is to say of ids that nothing has, if he may ask at all."""
    return seen(answer) == seen(nothing) if may(caller, operation, "rw") else is_refused(answer)


def is_refused(answer: Answer, *, and_may: bool = False) -> bool:
    """With `and_may` as whoever may do it: then it is for what is named alone, and never 403."""
    statuses = {404} if and_may else {403, 404}
    return answer.status in statuses or (answer.status, answer.code) == (400, "unknown_reference")


def seen(answer: Answer) -> tuple[object, ...]:
    """What a caller could tell two answers by, but for the ids that he has sent, and the time."""
    headers = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "etag"}}
    body = _TIME.sub(b"", _REQUEST_ID.sub(b"", _ID.sub(b"", answer.body)))
    return answer.status, headers, body


async def test_each_caller_may_in_his_organization_what_the_rules_say(world: World, database_url: str) -> None:
    """What may be written is not tried, so that nothing changes; what may be read by all who read everything, once."""
    before = digests(database_url)
    wrong: list[str] = []
    for caller in world.callers:
        hidden = set((world.home if caller.is_theirs else world.theirs).ids.values())
        if caller.role == "none":
            hidden |= set(world.home.ids.values())
        if not caller.on_away:
            hidden |= {world.away.ids[kind] for kind in ON_BOARDS}
        boards = [(world.home, caller.on_home), (world.away, caller.on_away)]
        for board, rights in boards if caller.on_home != caller.on_away else boards[:1]:
            for operation in world.operations:
                allowed = operation.is_public or may(caller, operation, rights)
                if allowed and not (operation.is_read and (caller.name == "owner" or not caller.writes_all)):
                    continue
                answer = await world.ask(caller, operation, operation.request(board.ids, {}, set()))
                shown = {id_.decode() for id_ in _ID.findall(answer.body)} & hidden
                if (shown or answer.status != 200) if allowed else not is_refused(answer):
                    wrong.append(f"{caller.name}, {board.word}: {operation} {answer} {shown or ''}")
    assert not wrong, "\n".join(wrong)
    assert digests(database_url) == before


async def test_whoever_is_not_known_is_told_nothing(world: World, database_url: str) -> None:
    """Each operation by nobody, with a token that has expired, and with one of the others in turn."""
    before = digests(database_url)
    wrong: list[str] = []
    always, in_turn = ("nobody", "expired"), cycle(world.strangers.keys() - {"nobody", "expired"})
    for operation in world.operations:
        for who in () if operation.is_public else (*always, next(in_turn)):
            sent = operation.request(world.home.ids, {}, set())
            answer = await world.ask(world.strangers[who], operation, sent)
            if (answer.status, answer.code) != (401, "unauthorized"):
                wrong.append(f"{who}: {operation} {answer}")
    assert not wrong, "\n".join(wrong)
    assert digests(database_url) == before


async def test_every_operation_works_for_who_may_do_it_and_answers_alike(world: World, database_url: str) -> None:
    """So that what the other tests are refused is refused for who asks and what is named, not for what else is sent."""
    owner, agent = world.callers[0], world.callers[-2]
    wrong: list[str] = []
    texts = {**TEXTS, "token": world.theirs.secrets["invite"]}
    last = (
        *("create_organization", "set_active_organization"),
        *("agent_delete_agent", "delete_my_organization", "delete_me"),
    )

    def turn(operation: Operation) -> tuple[object, ...]:
        is_last = last.index(operation.id) if operation.id in last else -1
        return operation.method == "DELETE", is_last, -len(operation.places), operation.path

    reads = {operation.path: operation for operation in world.operations if operation.method == "GET"}
    for operation in sorted(world.operations, key=turn):
        caller, board = (agent, world.away) if operation.path.startswith("/api/v1/agent/") else (owner, world.home)
        before = events(database_url)
        answer = await world.ask(caller, operation, operation.request(board.ids, {}, set(), texts))
        problems = list(breaches(operation, answer))
        if (events(database_url) > before) != is_told_of(operation):
            problems.append("on record is every change of what members share, and nothing else")
        read = reads.get(operation.path) if operation.method == "PATCH" else None
        if read and (await world.ask(caller, read, read.request(board.ids, {}, set()))).body != answer.body:
            problems.append("what is changed is answered as it is from then on")
        if not operation.is_read and (lost := astray(database_url)):
            problems.append(f"every row is of the organization of what it refers to, which is not so: {lost}")
        if problems:
            wrong.append(f"{operation.id}: {', '.join(problems)}: {answer}")
    assert not wrong, "\n".join(wrong)


def breaches(operation: Operation, answer: Answer) -> Iterator[str]:
    """Yield each rule of successful operations that the answer breaks."""
    if answer.status not in {200, 201, 204}:
        yield "it does not work"
    if (answer.status == 201) != ("location" in answer.headers):
        yield "what was created has a Location"
    if (
        operation.method == "DELETE"
        and operation.id not in SHOWN_ONCE_MORE
        and (answer.status, answer.body) != (204, b"")
    ):
        yield "what is deleted is answered without a body"
    if answer.status == 201 and any(UUID(id_.decode()).version != 7 for id_ in _NEW_ID.findall(answer.body)):
        yield "ids are UUIDv7"
    if any(not time.endswith(b"Z") for time in _ANY_TIME.findall(answer.body)):
        yield "times are in UTC"


def is_told_of(operation: Operation) -> bool:
    """Whether it writes an event: every change of a task, approval, agent, board or membership does."""
    return not operation.is_read and operation.id not in NOT_TOLD_OF.split()


def events(database_url: str) -> int:
    return len(query(database_url, "SELECT id FROM activity_events"))
