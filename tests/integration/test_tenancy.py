"""Who may do what, over every operation of the served document: with another organization's ids, by every kind of
caller, and by nobody. A new operation is walked by itself, or fails where it cannot be filled.
"""

import re
from ipaddress import ip_address
from itertools import count, cycle
from typing import NamedTuple
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from tests.conftest import TOKEN, client_of
from tests.integration.conftest import Staff
from tests.integration.furnished import Furnished, People, digests, furnish
from tests.integration.operations import KINDS, TEXTS, Answer, Operation, Place, ask, operations

_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z")
_REQUEST_ID = re.compile(rb'"request_id":"\w+"')
_ADDRESSES = count(int(ip_address("10.0.0.1")))
_MANAGERS = {"owner", "admin"}
# What is on a board, or in its group; the rest is the organization's.
ON_BOARDS = {"board", "group", "agent", "task", "dependency", "approval", "webhook", "payload"}


class Caller(NamedTuple):
    """Somebody in an organization with two boards: `home`, and `away` on which nobody has a grant.

    `on_home` and `on_away` are what he may do there: read ("r"), write ("rw") or neither.
    """

    name: str
    headers: dict[str, str]
    role: str
    on_home: str = ""
    on_away: str = ""
    reads_only: bool = False

    @property
    def is_agent(self) -> bool:
        return self.role == "agent"

    @property
    def writes_all(self) -> bool:
        return "w" in self.on_home and "w" in self.on_away


class World(NamedTuple):
    app: Litestar
    operations: list[Operation]
    theirs: Furnished
    home: Furnished
    away: Furnished
    callers: list[Caller]
    strangers: dict[str, dict[str, str]]

    @property
    def missing(self) -> dict[str, str]:
        return {kind: str(uuid4()) for kind in KINDS.values()}

    async def ask(self, who: Caller | dict[str, str], operation: Operation, request: tuple[str, bytes]) -> Answer:
        """From an address of its own, since failed sign-ins of one are limited."""
        headers = who.headers if isinstance(who, Caller) else who
        return await ask(self.app, operation, request, headers, str(ip_address(next(_ADDRESSES))))


# What an operation takes, where that is not said by what its path names.
PERSON, SIGN_IN, OWNED = "a person", "a sign-in of his own", "what is his own"
MEMBER, MANAGER = "a member", "a manager"
OWNER, WRITES_ALL, ANYBODY = "an owner", "writing all boards", "anybody"
TAKES = {
    PERSON: (
        "get_me update_me delete_me list_tokens create_organization"
        " list_my_organizations set_active_organization accept_invite"
    ),
    SIGN_IN: "create_token",
    OWNED: "get_token revoke_token",
    MEMBER: (
        "get_my_organization list_members get_member get_my_membership"
        " list_tags create_tag get_tag update_tag delete_tag"
    ),
    MANAGER: (
        "remove_member update_member replace_member_access list_invites create_invite get_invite delete_invite"
        " create_custom_field update_custom_field delete_custom_field"
    ),
    OWNER: "delete_my_organization",
    WRITES_ALL: "create_board create_board_group update_board_group delete_board_group",
    ANYBODY: (
        "list_custom_fields list_boards list_board_groups list_agents list_activity list_comment_feed"
        " agent_list_boards agent_list_agents agent_healthz agent_heartbeat"
    ),
}
# On a board that he may write, these a person may do and an agent may not.
PEOPLE_ON_BOARDS = {"update_board", "delete_board", "resolve_approval"}


def needed(operation: Operation) -> str:
    """One of TAKES, or "r" or "rw" on the board that it names."""
    for what, ids in TAKES.items():
        if operation.id in ids.split():
            return what
    named = {place.kind for place in operation.places}
    assert named & {"board", "group", "agent"}, f"nobody has said who may do {operation.id}"
    return "r" if operation.is_read else "rw"


def may(caller: Caller, operation: Operation, board: str) -> bool:
    """`board` is what the caller may do on the board in question."""
    if caller.reads_only and not operation.is_read:
        return False
    if operation.path.startswith("/api/v1/agent/") and not caller.is_agent:
        return False
    if operation.id in PEOPLE_ON_BOARDS and caller.is_agent:
        return False
    who = {
        PERSON: not caller.is_agent,
        SIGN_IN: caller.name == "owner",
        # The tokens that are named are the owner's.
        OWNED: caller.role == "owner",
        MEMBER: caller.role in {*_MANAGERS, "member"},
        MANAGER: caller.role in _MANAGERS,
        OWNER: caller.role == "owner",
        WRITES_ALL: caller.writes_all,
        ANYBODY: caller.role != "none",
    }
    what = needed(operation)
    return who[what] if what in who else caller.role != "none" and set(what) <= set(board)


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
    callers = [
        Caller("owner", owner, "owner", "rw", "rw"),
        Caller("owner, to read", bearer(people.token(us, "read").secret), "owner", "rw", "rw", reads_only=True),
        member("admin", "rw", "rw", role="admin"),
        member("writes all boards", "rw", "rw", all_boards_write=True),
        member("reads all boards", "r", "r", all_boards_read=True),
        member("writes home", "rw"),
        member("reads home", "r"),
        member("no grant"),
        Caller("removed", bearer(people.token(removed).secret), "none"),
        Caller("agent of away", {"x-agent-token": away.secrets["agent"]}, "agent", "", "rw"),
        Caller("agent of home", {"x-agent-token": home.secrets["agent"]}, "agent", "rw", ""),
    ]
    revoked = people.token(us)
    deleted = (await client.post("/api/v1/agents", json={"name": "deleted"})).json()
    for path in (
        f"organizations/me/members/{left}",
        f"users/me/tokens/{revoked.id}",
        f"agents/{deleted['id']}",
    ):
        assert (await client.delete(f"/api/v1/{path}")).status_code == 204
    strangers = {
        "nobody": {},
        "malformed": {"authorization": TOKEN},
        "not known": bearer(f"plp_{uuid4().hex}"),
        "deleted agent": {"x-agent-token": deleted["token"]},
        "expired": bearer(people.token(us, expires="-1 second").secret),
        "revoked": bearer(revoked.secret),
        "two at once": {**owner, "x-agent-token": home.secrets["agent"]},
    }
    return World(app, operations(app), theirs, home, away, callers, strangers)


async def test_another_organizations_ids_are_ids_of_nothing(world: World, database_url: str) -> None:
    before = digests(database_url)
    wrong: list[str] = []
    for operation in (one for one in world.operations if one.places):
        # Of those who may do it, the one with the most rights has each id tried by itself.
        first = next(caller for caller in (world.callers[0], world.callers[-1]) if may(caller, operation, "rw"))
        for places in trials(operation):
            names = ", ".join(sorted(place.name for place in places))
            nothing = await world.ask(first, operation, operation.request(world.home.ids, world.missing, places))
            for caller in world.callers if len(places) == len(operation.places) else [first]:
                sent = operation.request(world.home.ids, world.theirs.ids, places)
                answer = await world.ask(caller, operation, sent)
                if not is_of_nothing(answer, nothing, caller, operation):
                    wrong.append(f"{caller.name}, {names}: {operation} {answer}; of nothing {nothing}")
            is_filter = {place.where for place in places} == {"query"}
            if not (is_refused(nothing) or is_filter):
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


def is_refused(answer: Answer) -> bool:
    return answer.status in {403, 404} or (answer.status, answer.code) == (400, "unknown_reference")


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
        hidden = set(world.theirs.ids.values())
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


async def test_every_operation_works_for_who_may_do_it(world: World) -> None:
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

    for operation in sorted(world.operations, key=turn):
        caller, board = (agent, world.away) if operation.path.startswith("/api/v1/agent/") else (owner, world.home)
        answer = await world.ask(caller, operation, operation.request(board.ids, {}, set(), texts))
        if answer.status not in {200, 201, 204}:
            wrong.append(f"{operation} {answer}")
    assert not wrong, "\n".join(wrong)
