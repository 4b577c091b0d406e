"""Who calls: the one statement by which each way to sign in finds him, and the board he asks for, at every request."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, func, or_, select

from app.db.request.prepared import AnySession, PreparedStatement, fetch_rows
from app.models import Agent, OrganizationMember, PersonalToken, User
from app.repositories.access import AGENT_ROW_ACCESS, MEMBER_ROW_ACCESS, RowAccess
from app.repositories.boards import OpenBoard, beside_board, board_beside


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
    reads_all: bool
    writes_all: bool


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


class CallerLookup:
    """One way to find a caller: alone, or with the board that he asks for."""

    def __init__(self, statement: Select[Any], row_access: RowAccess) -> None:
        self._alone = PreparedStatement(statement)
        self._beside_board = PreparedStatement(beside_board(statement, row_access))

    async def find(
        self, session: AnySession, board_id: UUID | None, **by: object
    ) -> tuple[Sequence[Any], OpenBoard | None] | None:
        """His row, and the board where he may read it."""
        if board_id is None:
            rows = await fetch_rows(session, self._alone, **by)
            return (rows[0], None) if rows else None
        rows = await fetch_rows(session, self._beside_board, board_id=board_id, **by)
        return (rows[0], board_beside(rows[0])) if rows else None


# Where each of them ends in a row.
_PERSON = len(Person._fields)
_MEMBERSHIP = _PERSON + len(Membership._fields)
_BEARER = _MEMBERSHIP + len(Bearer._fields)
_OF_MEMBERSHIP = {name: getattr(OrganizationMember, name) for name in Membership._fields[:4]} | {
    "reads_all": MEMBER_ROW_ACCESS.reads_all,
    "writes_all": MEMBER_ROW_ACCESS.writes_all,
}


def _people(*more: Any) -> Select[Any]:  # noqa: ANN401 - columns
    """A Person and his Membership, which is null where he has no active organization."""
    active = and_(
        OrganizationMember.user_id == User.id, OrganizationMember.organization_id == User.active_organization_id
    )
    columns = [
        *(getattr(User, name) for name in Person._fields),
        *(column.label(f"member_{name}") for name, column in _OF_MEMBERSHIP.items()),
    ]
    return select(*columns, *more).select_from(User).outerjoin(OrganizationMember, active)


_BY_SUBJECT = CallerLookup(_people().where(User.subject == bindparam("subject")), MEMBER_ROW_ACCESS)
_BY_TOKEN = CallerLookup(
    _people(*(getattr(PersonalToken, name).label(f"token_{name}") for name in Bearer._fields))
    .join(PersonalToken, PersonalToken.user_id == User.id)
    .where(
        PersonalToken.token_hash == bindparam("token_hash"),
        or_(PersonalToken.expires_at.is_(None), PersonalToken.expires_at > func.now()),
    ),
    MEMBER_ROW_ACCESS,
)
_AGENT = CallerLookup(
    select(*(getattr(Agent, name) for name in Worker._fields)).where(Agent.token_hash == bindparam("token_hash")),
    AGENT_ROW_ACCESS,
)


async def find_person(
    session: AnySession, subject: str, board_id: UUID | None = None
) -> tuple[Person, Membership | None, OpenBoard | None] | None:
    """With the board where he may read it, as each of these has it."""
    if (found := await _BY_SUBJECT.find(session, board_id, subject=subject)) is None:
        return None
    row, board = found
    return Person._make(row[:_PERSON]), _membership(row), board


async def find_bearer(
    session: AnySession, token_hash: bytes, board_id: UUID | None = None
) -> tuple[Person, Membership | None, Bearer, OpenBoard | None] | None:
    """Whose token this is; None where it has expired."""
    if (found := await _BY_TOKEN.find(session, board_id, token_hash=token_hash)) is None:
        return None
    row, board = found
    return Person._make(row[:_PERSON]), _membership(row), Bearer._make(row[_MEMBERSHIP:_BEARER]), board


async def find_worker(
    session: AnySession, token_hash: bytes, board_id: UUID | None = None
) -> tuple[Worker, OpenBoard | None] | None:
    if (found := await _AGENT.find(session, board_id, token_hash=token_hash)) is None:
        return None
    row, board = found
    return Worker._make(row[: len(Worker._fields)]), board


def _membership(row: Sequence[Any]) -> Membership | None:
    found = Membership._make(row[_PERSON:_MEMBERSHIP])
    return None if found.id is None else found
