"""Who calls: the one statement by which each way to sign in finds him, at every request."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, func, or_, select

from app.db.fetching import AnySession, Prepared, fetch
from app.models import Agent, OrganizationMember, PersonalToken, User


class Person(NamedTuple):
    """What a request needs to know of its user."""

    id: UUID
    email: str | None
    active_organization_id: UUID | None


class Membership(NamedTuple):
    """His place in his active organization."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    role: str
    all_boards_read: bool
    all_boards_write: bool


class Bearer(NamedTuple):
    """The personal access token by which he has signed in."""

    id: UUID
    scope: str
    expires_at: datetime | None
    last_used_at: datetime | None


class Worker(NamedTuple):
    """What a request needs to know of its agent."""

    id: UUID
    organization_id: UUID
    board_id: UUID | None
    is_board_lead: bool


_PERSON, _MEMBERSHIP, _BEARER = len(Person._fields), len(Membership._fields), len(Bearer._fields)


def _people(*more: Any) -> Select[Any]:  # noqa: ANN401 - columns
    """A Person and his Membership, which is null where he has no active organization."""
    active = and_(
        OrganizationMember.user_id == User.id, OrganizationMember.organization_id == User.active_organization_id
    )
    columns = [
        *(getattr(User, name) for name in Person._fields),
        *(getattr(OrganizationMember, name).label(f"member_{name}") for name in Membership._fields),
    ]
    return select(*columns, *more).select_from(User).outerjoin(OrganizationMember, active)


_BY_SUBJECT = Prepared(_people().where(User.subject == bindparam("subject")))
_BY_TOKEN = Prepared(
    _people(*(getattr(PersonalToken, name).label(f"token_{name}") for name in Bearer._fields))
    .join(PersonalToken, PersonalToken.user_id == User.id)
    .where(
        PersonalToken.token_hash == bindparam("token_hash"),
        or_(PersonalToken.expires_at.is_(None), PersonalToken.expires_at > func.now()),
    )
)
_AGENT = Prepared(
    select(*(getattr(Agent, name) for name in Worker._fields)).where(Agent.token_hash == bindparam("token_hash"))
)


async def find_person(session: AnySession, subject: str) -> tuple[Person, Membership | None] | None:
    for row in await fetch(session, _BY_SUBJECT, subject=subject):
        return Person._make(row[:_PERSON]), _membership(row)
    return None


async def find_bearer(session: AnySession, token_hash: bytes) -> tuple[Person, Membership | None, Bearer] | None:
    """Whose token this is; None where it has expired."""
    for row in await fetch(session, _BY_TOKEN, token_hash=token_hash):
        return Person._make(row[:_PERSON]), _membership(row), Bearer._make(row[-_BEARER:])
    return None


async def find_worker(session: AnySession, token_hash: bytes) -> Worker | None:
    for row in await fetch(session, _AGENT, token_hash=token_hash):
        return Worker._make(row)
    return None


def _membership(row: tuple[Any, ...]) -> Membership | None:
    found = Membership._make(row[_PERSON : _PERSON + _MEMBERSHIP])
    return None if found.id is None else found
