"""Users and tokens as an operator manages them, of whatever organization they are."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequestError, NotFoundError
from app.db.plugin import DatabasePlugin
from app.models import TokenScope
from app.services.user_admin import SubjectTakenError, UserAdminService
from tests.support.database import insert, query


@pytest.fixture
async def session(app: Litestar) -> AsyncIterator[AsyncSession]:
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        yield session


async def test_user_is_known_by_id_subject_or_address(session: AsyncSession, database_url: str) -> None:
    users = UserAdminService(session)
    ahab = await users.create("Ahab", "ahab@example.org", "captain")
    nobody = await users.create("Nobody", None, None)
    assert (ahab.name, ahab.email, ahab.subject) == ("Ahab", "ahab@example.org", "captain")
    assert (nobody.name, nobody.email, nobody.subject) == ("Nobody", None, str(nobody.id))
    for name, user in (("captain", ahab), ("AHAB@example.org", ahab), (str(nobody.id), nobody)):
        assert (await users.get(name)).id == user.id
    with pytest.raises(NotFoundError, match="starbuck"):
        await users.get("starbuck")
    other = await users.create("Other", "Ahab@example.org", None)
    with pytest.raises(BadRequestError, match=f"{ahab.id}, {other.id}"):
        await users.get("ahab@example.org")
    with pytest.raises(SubjectTakenError):
        await users.create("Again", None, "captain")
    await session.commit()
    assert [(user.id, tokens) for user, tokens in await users.list()] == [(ahab.id, 0), (nobody.id, 0), (other.id, 0)]
    personal = "SELECT count(*) FROM organization_members JOIN organizations AS o ON o.id = organization_id"
    assert query(database_url, f"{personal} WHERE role = 'owner' AND o.name = 'Personal'") == [(3,)]
    organization = insert(database_url, "organizations", name="")
    await users.activate_organization(ahab.id, organization)
    await session.commit()
    active = "SELECT id FROM users WHERE active_organization_id = :organization"
    assert query(database_url, active, organization=organization) == [(ahab.id,)]


async def test_token_of_any_user_is_issued_and_revoked_by_itself(session: AsyncSession) -> None:
    users, until = UserAdminService(session), datetime.now(UTC) + timedelta(days=1)
    await users.create("Ahab", None, "ahab")
    await users.create("Ishmael", None, "ishmael")
    issued = [
        (await users.issue_token(name, place, TokenScope.READ, expires_at)).token
        for name, place, expires_at in (("ahab", "ship", until), ("ahab", "land", None), ("ishmael", "inn", None))
    ]

    async def held() -> list[list[tuple[UUID, str]]]:
        return [[(token.id, token.name) for token in await users.list_tokens(name)] for name in ("ahab", "ishmael")]

    ship, land, inn = [(token.id, token.name) for token in issued]
    assert [token.expires_at for token in issued] == [until, None, None]
    assert {token.scope for token in issued} == {TokenScope.READ}
    assert await held() == [[ship, land], [inn]]
    assert (await users.revoke_token(land[0])).name == "land"
    assert await held() == [[ship], [inn]]
    assert (await users.revoke_token(inn[0])).name == "inn"
    assert await held() == [[ship], []]
    with pytest.raises(NotFoundError, match="litestar users tokens"):
        await users.revoke_token(uuid4())
    with pytest.raises(BadRequestError):
        await users.issue_token("ahab", "late", TokenScope.READ, datetime.now(UTC))
