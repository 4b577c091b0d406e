"""Organizations with one of everything, and people in them, for the tests that walk all operations."""

import hashlib
from typing import Any, NamedTuple
from uuid import uuid4

import httpx

from tests.integration.conftest import Staff
from tests.support.database import insert, query
from tests.support.operations import KINDS

_API = "/api/v1"


class Token(NamedTuple):
    id: str
    secret: str


class Furnished(NamedTuple):
    """`ids` by kind (`operations.KINDS`); `secrets` by what they are; `word` is in every text that it has."""

    word: str
    ids: dict[str, str]
    secrets: dict[str, str]


async def furnish(client: httpx.AsyncClient, word: str, token: Token) -> Furnished:
    """A board in a group, with one of everything on it and beside it, in the client's active organization.

    `token` is one of his: a personal access token makes no others.
    """

    async def make(path: str, **fields: object) -> dict[str, Any]:
        answer = await client.post(f"{_API}{path}", json=fields)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    slug = word.lower()
    membership = (await client.get(f"{_API}/organizations/me/member")).json()
    group = await make("/board-groups", name=word, slug=slug)
    board = await make("/boards", name=word, slug=slug, description=word, board_group_id=group["id"], max_agents=9)
    on_board = f"/boards/{board['id']}"
    tag = await make("/tags", name=word)
    field = await make("/organizations/me/custom-fields", field_key=slug, board_ids=[board["id"]], default_value=word)
    agent = await make("/agents", name=word, board_id=board["id"])
    dependency = await make(f"{on_board}/tasks", title=word)
    task = await make(
        f"{on_board}/tasks",
        title=word,
        depends_on_task_ids=[dependency["id"]],
        tag_ids=[tag["id"]],
        assigned_agent_id=agent["id"],
    )
    comment = await make(f"{on_board}/tasks/{task['id']}/comments", message=word)
    approval = await make(f"{on_board}/approvals", action_type=word, confidence=50, task_id=dependency["id"])
    webhook = await make(f"{on_board}/webhooks", description=word)
    payload = await make(f"{on_board}/webhooks/{webhook['id']}", word=word)
    memory = await make(f"{on_board}/memory", content=word, tags=["chat"])
    group_memory = await make(f"/board-groups/{group['id']}/memory", content=word)
    invite = await make("/organizations/me/invites", invited_email=f"{slug}@example.com")
    ids = {
        "organization": membership["organization_id"],
        "owner": membership["id"],
        "member": membership["id"],
        "group": group["id"],
        "board": board["id"],
        "tag": tag["id"],
        "custom_field": field["id"],
        "agent": agent["id"],
        "dependency": dependency["id"],
        "task": task["id"],
        "comment": comment["id"],
        "approval": approval["id"],
        "webhook": webhook["id"],
        "payload": payload["payload_id"],
        "memory": memory["id"],
        "group_memory": group_memory["id"],
        "invite": invite["id"],
        "token": token.id,
    }
    return Furnished(word, ids, {"agent": agent["token"], "invite": invite["token"], "token": token.secret})


async def ids_for_paths(client: httpx.AsyncClient, staff: Staff, word: str) -> dict[str, str]:
    """By the names of paths' parameters, the ids of what `furnish` makes; the member is somebody else."""
    token = (await client.post(f"{_API}/users/me/tokens", json={"name": word})).json()
    made = await furnish(client, word, Token(token["id"], token["token"]))
    ids = {**made.ids, "member": str(staff.join("member"))}
    return {name: ids[kind] for name, kind in KINDS.items()}


class People:
    """Makes users, and the personal access tokens by which they sign in."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    def user(self) -> str:
        return str(insert(self._url, "users", subject=uuid4().hex))

    def token(self, user: str, scope: str = "write", expires: str = "1 day") -> Token:
        """One that expires after this time; used a moment ago, so that using it changes nothing."""
        secret = f"plp_{uuid4().hex}"
        times = query(self._url, "SELECT now() + CAST(:expires AS interval), now()", expires=expires)[0]
        token_id = insert(
            self._url,
            "personal_tokens",
            user_id=user,
            name="walk",
            scope=scope,
            token_hash=hashlib.sha256(secret.encode()).digest(),
            expires_at=times[0],
            last_used_at=times[1],
        )
        return Token(str(token_id), secret)

    def organization(self, owner: str, *, active: bool = True) -> str:
        organization = str(insert(self._url, "organizations", name="Walked"))
        self.join(organization, owner, "owner", active=active)
        return organization

    def join(self, organization: str, user: str, role: str, *, active: bool = True, **access: bool) -> str:
        """The id of the membership; with `active` the organization is his active one."""
        place = {"organization_id": organization, "user_id": user}
        member = str(insert(self._url, "organization_members", **place, role=role, **access))
        if active:
            query(self._url, "UPDATE users SET active_organization_id = :o WHERE id = :u", o=organization, u=user)
        return member

    def grant(self, member: str, board: str, *, writes: bool) -> None:
        query(
            self._url,
            "INSERT INTO board_access (id, organization_id, organization_member_id, board_id, can_read, can_write)"
            " SELECT gen_random_uuid(), organization_id, id, :board, true, :writes FROM organization_members"
            " WHERE id = :member",
            member=member,
            board=board,
            writes=writes,
        )


def digests(database_url: str) -> dict[str, object]:
    """Return a digest of the rows of each table, without what every request changes."""
    tables = [
        str(name)
        for (name,) in query(database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        if name not in {"rate_limits", "alembic_version", "schema_history"}
    ]
    row = "(to_jsonb(t) - 'last_used_at')::text"
    each = [f"SELECT '{name}', md5(string_agg({row}, '|' ORDER BY {row})) FROM {name} t" for name in tables]
    return {str(name): digest for name, digest in query(database_url, " UNION ALL ".join(each))}
