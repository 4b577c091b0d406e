"""The caller of a request: each kind of sign-in finds them, and the board that they ask for, by one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.orm import aliased

from app.db.request.prepared import AnySession, PreparedStatement, fetch_rows
from app.models import Agent, OrganizationMember, PersonalToken, User
from app.repositories.access import AGENT_ROW_ACCESS, MEMBER_ROW_ACCESS, RowAccess
from app.repositories.boards import ReadableBoard, board_of_row, with_board


class Person(NamedTuple):
    """The user of a request, as far as it needs to know them."""

    id: UUID
    email: str | None
    active_organization_id: UUID | None
    """The organization that they chose; where they are not in it, their `Membership` is another."""


class Membership(NamedTuple):
    """A user's place in their active organization."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    role: str
    reads_all: bool
    writes_all: bool


class Bearer(NamedTuple):
    """The personal access token by which a user has signed in."""

    id: UUID
    scope: str
    expires_at: datetime | None
    last_used_at: datetime | None


class Worker(NamedTuple):
    """The agent of a request, as far as it needs to know it."""

    id: UUID
    organization_id: UUID
    board_id: UUID | None
    is_board_lead: bool


class CallerLookup:
    """The statement of one kind of sign-in, alone and with the board that the request is about."""

    def __init__(self, statement: Select[Any], row_access: RowAccess) -> None:
        self._alone = PreparedStatement(statement)
        self._with_board = PreparedStatement(with_board(statement, row_access))

    async def get_row_or_none(
        self, session: AnySession, board_id: UUID | None, **by: object
    ) -> tuple[Sequence[Any], ReadableBoard | None] | None:
        """Return the caller's row, and the board where they may read it; None where nobody is found."""
        if board_id is None:
            rows = await fetch_rows(session, self._alone, **by)
            return (rows[0], None) if rows else None
        rows = await fetch_rows(session, self._with_board, board_id=board_id, **by)
        return (rows[0], board_of_row(rows[0])) if rows else None


# Where each of them ends in a row.
_PERSON = len(Person._fields)
_MEMBERSHIP = _PERSON + len(Membership._fields)
_BEARER = _MEMBERSHIP + len(Bearer._fields)
_MEMBERSHIP_COLUMNS = {name: getattr(OrganizationMember, name) for name in Membership._fields[:4]} | {
    "reads_all": MEMBER_ROW_ACCESS.reads_all,
    "writes_all": MEMBER_ROW_ACCESS.writes_all,
}


def _select_people(*more: Any) -> Select[Any]:  # noqa: ANN401 - columns
    """Select a Person and a Membership, which is null for who is in no organization.

    It is that of the organization that they chose. If they are not in it any more, it is their oldest one: to read that
    takes no write, so it works on a replica and a read-only database.
    """
    place = aliased(OrganizationMember)
    is_chosen = place.organization_id == User.active_organization_id
    active = (
        select(place.id)
        .where(place.user_id == User.id)
        .order_by(is_chosen.desc().nulls_last(), place.created_at, place.id)
        .limit(1)
        .correlate(User)
        .scalar_subquery()
    )
    columns = [
        *(getattr(User, name) for name in Person._fields),
        *(column.label(f"member_{name}") for name, column in _MEMBERSHIP_COLUMNS.items()),
    ]
    return select(*columns, *more).select_from(User).outerjoin(OrganizationMember, OrganizationMember.id == active)


_BY_SUBJECT = CallerLookup(_select_people().where(User.subject == bindparam("subject")), MEMBER_ROW_ACCESS)
_BY_PERSONAL_TOKEN = CallerLookup(
    _select_people(*(getattr(PersonalToken, name).label(f"token_{name}") for name in Bearer._fields))
    .join(PersonalToken, PersonalToken.user_id == User.id)
    .where(
        PersonalToken.token_hash == bindparam("token_hash"),
        or_(PersonalToken.expires_at.is_(None), PersonalToken.expires_at > func.now()),
    ),
    MEMBER_ROW_ACCESS,
)
_BY_AGENT_TOKEN = CallerLookup(
    select(*(getattr(Agent, name) for name in Worker._fields)).where(Agent.token_hash == bindparam("token_hash")),
    AGENT_ROW_ACCESS,
)


async def get_person_or_none(
    session: AnySession, subject: str, board_id: UUID | None = None
) -> tuple[Person, Membership | None, ReadableBoard | None] | None:
    """Return the user of this subject, and the board where they may read it; None where nobody is found."""
    if (found := await _BY_SUBJECT.get_row_or_none(session, board_id, subject=subject)) is None:
        return None
    row, board = found
    return Person._make(row[:_PERSON]), _membership(row), board


async def get_bearer_or_none(
    session: AnySession, token_hash: bytes, board_id: UUID | None = None
) -> tuple[Person, Membership | None, Bearer, ReadableBoard | None] | None:
    """Return the user of this personal access token, which has not expired, and the board where they may read it."""
    if (found := await _BY_PERSONAL_TOKEN.get_row_or_none(session, board_id, token_hash=token_hash)) is None:
        return None
    row, board = found
    return Person._make(row[:_PERSON]), _membership(row), Bearer._make(row[_MEMBERSHIP:_BEARER]), board


async def get_worker_or_none(
    session: AnySession, token_hash: bytes, board_id: UUID | None = None
) -> tuple[Worker, ReadableBoard | None] | None:
    """Return the agent of this token, and the board where it may read it."""
    if (found := await _BY_AGENT_TOKEN.get_row_or_none(session, board_id, token_hash=token_hash)) is None:
        return None
    row, board = found
    return Worker._make(row[: len(Worker._fields)]), board


def _membership(row: Sequence[Any]) -> Membership | None:
    found = Membership._make(row[_PERSON:_MEMBERSHIP])
    return None if found.id is None else found
