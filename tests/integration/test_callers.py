"""The board that is found with its caller, by one statement, is the one that he finds when he is known already."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar

from app.core.identity import Identity
from app.db.plugin import DatabasePlugin
from app.repositories.boards import BoardRepository
from app.services.callers import UnknownTokenError, sign_in_agent, sign_in_by_identity, sign_in_by_token
from tests.support.database import query

# Two organizations with two boards each. Of the first one there is a member of every combination of role, rights and
# grant, which his subject tells; his grant is for the first board of both. And whoever is in none, or not active there.
ROWS = (
    "INSERT INTO organizations (id, name) SELECT gen_random_uuid(), name FROM (VALUES ('ours'), ('theirs')) AS o(name)",
    "INSERT INTO boards (id, organization_id, name, slug, description)"
    " SELECT gen_random_uuid(), id, name, slug, '' FROM organizations, (VALUES ('granted'), ('other')) AS b(slug)",
    "INSERT INTO users (id, subject, active_organization_id)"
    " SELECT gen_random_uuid(), concat_ws(' ', role, reads, writes, granted), id FROM organizations,"
    " (VALUES ('owner'), ('admin'), ('member')) AS a(role), (VALUES ('-'), ('reads')) AS b(reads),"
    " (VALUES ('-'), ('writes')) AS c(writes), (VALUES ('none'), ('-'), ('r'), ('w'), ('rw')) AS d(granted)"
    " WHERE name = 'ours'",
    "INSERT INTO organization_members (id, organization_id, user_id, role, all_boards_read, all_boards_write)"
    " SELECT gen_random_uuid(), active_organization_id, id, split_part(subject, ' ', 1), subject ~ 'reads',"
    " subject ~ 'writes' FROM users",
    "INSERT INTO board_access (id, organization_id, organization_member_id, board_id, can_read, can_write)"
    " SELECT gen_random_uuid(), m.organization_id, m.id, b.id, u.subject ~ ' rw?$', u.subject ~ ' r?w$'"
    " FROM organization_members AS m JOIN users AS u ON u.id = m.user_id, boards AS b"
    " WHERE b.slug = 'granted' AND u.subject !~ 'none$'",
    "INSERT INTO users (id, subject, active_organization_id)"
    " SELECT gen_random_uuid(), 'removed', id FROM organizations WHERE name = 'ours'"
    " UNION ALL SELECT gen_random_uuid(), 'nowhere', NULL",
    # Who has chosen none is where they have been longest.
    "INSERT INTO organization_members (id, organization_id, user_id, role, created_at)"
    " SELECT gen_random_uuid(), o.id, u.id, 'owner', now() - interval '1 day' * (o.name = 'ours')::int"
    " FROM organizations AS o, users AS u WHERE subject = 'nowhere'",
    "INSERT INTO personal_tokens (id, user_id, name, scope, token_hash)"
    " SELECT gen_random_uuid(), id, '', 'write', sha256(subject::bytea) FROM users",
    # An agent of each board, one of none, and one whose board is another organization's.
    "INSERT INTO agents (id, organization_id, board_id, name, token_hash)"
    " SELECT gen_random_uuid(), o.id, b.id, '', sha256((o.name || ' ' || b.name || ' ' || b.slug)::bytea)"
    " FROM organizations AS o, boards AS b WHERE o.id = b.organization_id OR o.name = 'ours'"
    " UNION ALL SELECT gen_random_uuid(), id, NULL, '', sha256('ours') FROM organizations WHERE name = 'ours'",
)
BOARDS = "SELECT name, slug, id FROM boards"


async def test_board_is_the_same_with_its_caller_and_after_him(app: Litestar, database_url: str) -> None:
    for rows in ROWS:
        query(database_url, rows)
    boards: dict[str, Any] = {f"{name} {slug}": board for name, slug, board in query(database_url, BOARDS)}
    people = [str(subject) for (subject,) in query(database_url, "SELECT subject FROM users")]
    agents = ["ours", "ours theirs granted", *(f"{board.split()[0]} {board}" for board in boards)]
    assert (len(boards), len(people)) == (4, 62)
    until = datetime.now(UTC) + timedelta(minutes=1)
    wrong: list[object] = []
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        for place, board in boards.items():
            callers = [(name, await sign_in_agent(session, board, token=name)) for name in agents]
            for name in people:
                identity = Identity(name, None, None, until)
                callers.append((name, await sign_in_by_identity(session, board, identity=identity)))
                callers.append((name, await sign_in_by_token(session, board, token=name)))
            assert {caller.until for name, caller in callers if caller.user and caller.token is None} == {until}
            for name, caller in callers:
                assert caller.prefetched_board is not None
                assert (caller.membership is None) == (name == "removed" or caller.agent is not None)
                found = caller.prefetched_board.found
                may = "" if found is None else "rw" if found.may_write else "r"
                is_in = caller.membership is not None or caller.agent is not None
                after = await BoardRepository(session=session).get_row_or_none(caller.access, board) if is_in else None
                if found != after or may != expected(name, place):
                    wrong.append((name, place, found, after))
            for sign_in in (sign_in_agent, sign_in_by_token):
                with pytest.raises(UnknownTokenError):
                    await sign_in(session, board, token="nobody's")
    assert wrong == []


def expected(name: str, place: str) -> str:
    """What the member or the agent of this name may do there: "", "r" or "rw"."""
    organization, board = place.split()
    if name.startswith(("ours", "theirs")):
        return "rw" if name == f"{organization} {place}" else ""
    if organization == "theirs" or name == "removed":
        return ""
    if name == "nowhere":
        return "rw"
    role, reads, writes, grant = name.split()
    if board == "other":
        grant = ""
    if role != "member" or writes == "writes" or "w" in grant:
        return "rw"
    return "r" if reads == "reads" or grant == "r" else ""
