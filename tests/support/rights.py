"""The rules of who may do what, as the tests that walk all operations hold them against the application."""

from typing import NamedTuple

from tests.support.operations import Operation

_MANAGERS = {"owner", "admin"}


class Caller(NamedTuple):
    """Somebody in an organization with two boards: `home`, and `away` on which nobody has a grant.

    `on_home` and `on_away` are what he may do there: read ("r"), write ("rw") or neither. Who `is_theirs` is of another
    organization, and asks for what is ours; so does who has the role "none", the owner of an organization of their own.
    """

    name: str
    headers: dict[str, str]
    role: str
    on_home: str = ""
    on_away: str = ""
    reads_only: bool = False
    is_theirs: bool = False

    @property
    def is_agent(self) -> bool:
        return self.role == "agent"

    @property
    def writes_all(self) -> bool:
        return "w" in self.on_home and "w" in self.on_away


# What an operation takes, where that is not said by what its path names.
PERSON, SIGN_IN, OWNED = "a person", "a sign-in of his own", "what is his own"
MEMBER, MANAGER = "a member", "a manager"
OWNER, WRITES_ALL, ANYBODY = "an owner", "writing all boards", "anybody"
TAKES = {
    PERSON: (
        "bootstrap get_me update_me delete_me list_tokens create_organization"
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
    """One of TAKES, or "r" or "rw" on the board that it names, or that what it names is on."""
    for what, ids in TAKES.items():
        if operation.id in ids.split():
            return what
    named = {place.kind for place in operation.places}
    assert named & {"board", "group", "agent", "custom_field"}, f"nobody has said who may do {operation.id}"
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
    if caller.role == "none" and what in {MEMBER, MANAGER, OWNER, WRITES_ALL, ANYBODY}:
        # Of what is their own they are the owner.
        return all(place.where == "query" for place in operation.places)
    return who[what] if what in who else caller.role != "none" and set(what) <= set(board)
