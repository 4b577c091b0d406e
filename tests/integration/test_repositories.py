"""The base of the repositories: Advanced Alchemy's methods in one statement each, with the errors of the service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFoundError
from app.core.pagination import Window
from app.db.plugin import DatabasePlugin
from app.models import ActivityEvent, Tag, User
from app.repositories.access import AccessScope
from app.repositories.activity import COMMENTED, ActivityRepository
from app.repositories.boards import SlugTakenError
from app.repositories.callers import Bearer
from app.repositories.invites import InviteRepository
from app.repositories.members import MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.repositories.snapshots import BoardsOfGroup, SnapshotRepository
from app.repositories.tags import TagRepository
from app.repositories.tokens import TokenRepository
from app.repositories.users import UserRepository
from app.repositories.webhooks import WebhookPayloadRepository, WebhookRepository
from tests.support.database import insert, query
from tests.support.sent_statements import statements_of

OURS, OTHER = uuid4(), uuid4()


@pytest.fixture
async def session(app: Litestar, database_url: str) -> AsyncIterator[AsyncSession]:
    query(database_url, "INSERT INTO organizations (id, name) VALUES (:ours, 'ours')", ours=OURS)
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        yield session


def tag(slug: str) -> Tag:
    return Tag(organization_id=OURS, name=slug, slug=slug)


async def rename(tags: TagRepository, tag: Tag) -> object:
    tag.name = "renamed"
    return await tags.update(tag)


@pytest.mark.parametrize(
    ("verb", "use"),
    [
        ("INSERT", lambda tags, _: tags.add(tag("new"))),
        ("UPDATE", rename),
        ("SELECT", lambda tags, old: tags.get(old.id)),
        ("SELECT", lambda tags, old: tags.get_one(organization_id=OURS, id=old.id)),
        ("SELECT", lambda tags, old: tags.lock(id=old.id)),
        ("DELETE", lambda tags, old: tags.delete(old.id)),
        ("DELETE", lambda tags, old: tags.delete_many([old.id])),
    ],
    ids=["add", "update", "get", "get_one", "lock", "delete", "delete_many"],
)
async def test_method_sends_one_statement(
    app: Litestar, session: AsyncSession, verb: str, use: Callable[[TagRepository, Tag], Awaitable[object]]
) -> None:
    tags = TagRepository(session=session)
    old = await tags.add(tag("old"))
    await session.commit()
    async with statements_of(app) as seen:
        await use(tags, old)
    assert [statement.split()[0] for statement in seen] == [verb]


@pytest.mark.parametrize(
    "use",
    [
        lambda tags, gone: tags.get(gone),
        lambda tags, gone: tags.get_one(organization_id=OURS, id=gone),
        lambda tags, gone: tags.lock(id=gone),
        lambda tags, gone: tags.delete(gone),
    ],
    ids=["get", "get_one", "lock", "delete"],
)
async def test_missing_row_is_not_found(
    session: AsyncSession, use: Callable[[TagRepository, UUID], Awaitable[object]]
) -> None:
    with pytest.raises(NotFoundError):
        await use(TagRepository(session=session), OTHER)


async def test_constraint_has_its_error_when_adding_and_updating(session: AsyncSession) -> None:
    tags = TagRepository(session=session)
    await tags.add(tag("taken"))
    other = await tags.add(tag("other"))
    await session.commit()
    other.slug = "taken"
    with pytest.raises(SlugTakenError):
        await tags.update(other)
    await session.rollback()
    with pytest.raises(SlugTakenError):
        await tags.add(tag("taken"))


async def test_user_is_absent_where_the_subject_has_none(session: AsyncSession) -> None:
    users, id_ = UserRepository(session=session), UUID(int=7)
    assert await users.add_if_absent(User(id=id_, subject="somebody"))
    assert not await users.add_if_absent(User(id=UUID(int=8), subject="somebody"))
    with pytest.raises(IntegrityError, match="pk_users"):
        await users.add_if_absent(User(id=id_, subject="somebody else"))


async def test_lock_reads_what_the_session_has_anew(session: AsyncSession, database_url: str) -> None:
    tags = TagRepository(session=session)
    held: Any = await tags.add(tag("held"))
    await session.commit()
    query(database_url, "UPDATE tags SET name = 'changed by another' WHERE id = :id", id=held.id)
    assert (await tags.lock(id=held.id)).name == held.name == "changed by another"
    with pytest.raises(OperationalError, match="lock timeout"):
        query(database_url, "SET LOCAL lock_timeout = '10ms'; UPDATE tags SET name = 'late'")


async def test_get_by_ids_returns_those_that_are_there_and_no_others(session: AsyncSession) -> None:
    tags = TagRepository(session=session)
    one, _ = await tags.add(tag("one")), await tags.add(tag("other"))
    assert await tags.get_by_ids([one.id, None, one.id, OTHER]) == {one.id: one}


async def test_delete_many_returns_those_that_were_there(session: AsyncSession) -> None:
    tags = TagRepository(session=session)
    one = await tags.add(tag("one"))
    assert [each.id for each in await tags.delete_many([one.id, OTHER])] == [one.id]
    assert await tags.get_one_or_none(id=one.id) is None


async def test_comment_whose_task_is_gone_is_left_out_of_the_feed(session: AsyncSession) -> None:
    event = ActivityEvent(organization_id=OURS, event_type=COMMENTED, task_id=OTHER, created_at=datetime.now(UTC))
    assert await ActivityRepository(session=session).feed_items([event]) == []


async def test_lists_are_of_whom_they_name_oldest_first_or_by_name(session: AsyncSession, database_url: str) -> None:
    """What is as old or has the same name is in the order of the ids."""
    now = datetime.now(UTC)
    ages = {"created_at": now}, {"created_at": now}, {"created_at": now - timedelta(days=1)}
    insert(database_url, "organizations", id=OTHER, name="other")
    by_name = [insert(database_url, "tags", organization_id=OURS, name=name, slug=name) for name in "cb"]
    same = [insert(database_url, "tags", organization_id=OURS, name="a", slug=slug) for slug in ("a-1", "a-2")]
    insert(database_url, "tags", organization_id=OTHER, name="d", slug="d")
    tags = TagRepository(session=session)
    assert [tag.id for tag in await tags.list_of_organization(OURS)] == [*sorted(same), *by_name[::-1]]
    page = await tags.page(OURS, Window(10))
    assert ({tag.id for tag in page.rows}, page.total) == ({*same, *by_name}, 4)

    def in_order(ids: list[UUID]) -> list[UUID]:
        return [ids[2], *sorted(ids[:2])]

    known = [
        insert(database_url, "users", subject=f"S{number}", email=email, **age)
        for number, (email, age) in enumerate(zip(("A@b.org", "a@B.org", "a@b.org"), ages, strict=True))
    ]
    tokens = [
        insert(
            database_url, "personal_tokens", user_id=known[0], name="", scope="read", token_hash=bytes([number]), **age
        )
        for number, age in enumerate(ages)
    ]
    insert(database_url, "personal_tokens", user_id=known[1], name="", scope="read", token_hash=b"other")
    users = UserRepository(session=session)
    for name, found in (("a@B.ORG", known), (str(known[0]).upper(), known[:1]), ("S1", known[1:2]), ("s1", [])):
        expected = in_order(known) if len(found) > 1 else found
        assert [user.id for user in await users.list_known_as(name)] == expected
    counts = {known[0]: 3, known[1]: 1, known[2]: 0}
    assert [(user.id, count) for user, count in await users.list_with_token_counts()] == [
        (user, counts[user]) for user in in_order(known)
    ]
    of_user = await TokenRepository(session=session).list_of_user(known[0])
    assert [token.id for token in of_user] == in_order(tokens)


async def test_place_in_an_organization_is_the_users_own(session: AsyncSession, database_url: str) -> None:
    """Whoever leaves one organization is left without an active one, if it was this; nobody else is."""
    insert(database_url, "organizations", id=OTHER, name="other")
    leaver, elsewhere, stays = (
        insert(database_url, "users", subject=subject, active_organization_id=active)
        for subject, active in (("leaver", OURS), ("elsewhere", OTHER), ("stays", OURS))
    )
    places = {
        user: [
            insert(database_url, "organization_members", organization_id=organization, user_id=user, role="owner")
            for organization in organizations
        ]
        for user, organizations in ((leaver, (OURS, OTHER)), (elsewhere, (OURS,)), (stays, ()))
    }
    members, organizations = MemberRepository(session=session), OrganizationRepository(session=session)
    for user, expected in places.items():
        assert {member.id for member in await members.list_of_user(user)} == {*expected}
    for user in (leaver, elsewhere):
        await organizations.deactivate(user, OURS)
    await session.commit()
    active = "SELECT subject, active_organization_id FROM users"
    assert dict(query(database_url, active)) == {"leaver": None, "elsewhere": OTHER, "stays": OURS}


async def test_grants_of_an_invite_and_first_tasks_of_a_board_are_in_their_order(
    session: AsyncSession, database_url: str
) -> None:
    """The table has them in the other order."""
    ours, url = {"organization_id": OURS}, database_url
    group = insert(url, "board_groups", **ours, name="", slug="")
    boards = [insert(url, "boards", **ours, board_group_id=group, name="", slug=slug, description="") for slug in "ab"]
    invite = {**ours, "invited_email": "", "expires_at": datetime.now(UTC)}
    invites = [insert(url, "organization_invites", **invite, token_seed=seed) for seed in (b"a", b"b")]
    for id_, of, board in ((2, 0, 1), (1, 0, 0), (3, 1, 1)):
        granted = {"organization_invite_id": invites[of], "board_id": boards[board], "can_read": True}
        insert(url, "invite_board_access", id=UUID(int=id_), **ours, **granted, can_write=False)
    assert [grant.board_id for grant in await InviteRepository(session=session).list_grants(invites[0])] == boards
    for title, status in (("later", "done"), ("first", "in_progress"), ("second", "review")):
        insert(url, "tasks", **ours, board_id=boards[0], title=title, status=status)
    wanted = BoardsOfGroup(AccessScope(OURS, reads_all=True), group)
    # As the planner joins large tables: the rows come in no order by themselves.
    await session.execute(text("SET LOCAL enable_nestloop = off"))
    found = await SnapshotRepository(session=session).list_first_tasks(wanted, 3, include_done=True)
    assert [shown.task.title for shown in found[boards[0]]] == ["first", "second", "later"]


async def test_use_of_a_token_is_recorded_once_a_minute(session: AsyncSession, database_url: str) -> None:
    """Also where another request has just recorded it, and this one has read the token before."""
    user, now = insert(database_url, "users", subject="user"), datetime.now(UTC)
    for number, (ago, is_recorded) in enumerate(((None, True), (30, False), (90, True))):
        last = None if ago is None else now - timedelta(seconds=ago)
        token = {"user_id": user, "name": "", "scope": "read", "token_hash": bytes([number]), "last_used_at": last}
        used, other = (
            insert(database_url, "personal_tokens", **{**token, "token_hash": bytes([number, nth])}) for nth in range(2)
        )
        await TokenRepository(session=session).record_use(Bearer(used, "read", None, None))
        await session.commit()
        stored = dict(query(database_url, "SELECT id, last_used_at FROM personal_tokens"))
        assert (stored[used] != last) is is_recorded
        assert stored[other] == last


async def test_page_is_of_the_board_or_the_webhook_that_is_asked_for(session: AsyncSession, database_url: str) -> None:
    url, ours = database_url, {"organization_id": OURS}
    boards = [insert(url, "boards", **ours, name="", slug=slug, description="") for slug in "ab"]
    webhooks = [insert(url, "board_webhooks", **ours, board_id=board, description="") for board in boards]
    received = {"body": b"", "headers": "{}", **ours}
    payloads = [insert(url, "board_webhook_payloads", **received, webhook_id=webhook) for webhook in webhooks]
    of_board = WebhookRepository(session=session).page
    of_webhook = WebhookPayloadRepository(session=session).page
    for board, webhook, payload in zip(boards, webhooks, payloads, strict=True):
        assert [row.id for row in (await of_board(board, Window(10))).rows] == [webhook]
        assert [row.id for row in (await of_webhook(webhook, Window(10))).rows] == [payload]
