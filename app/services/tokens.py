"""Personal access tokens: shown once, used until they expire or are revoked."""

from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from app.core.errors import BadRequestError, FieldProblem, ForbiddenError
from app.core.pagination import Slice, Window
from app.core.security import new_personal_token, token_hash
from app.models import PersonalToken
from app.repositories.members import MemberRepository
from app.repositories.tokens import TokenRepository
from app.services.base import Service


class SignInNeededError(ForbiddenError):
    code = "sign_in_needed"
    default_detail = "A personal access token makes no others: sign in yourself."


class Issued(NamedTuple):
    """A token; `secret` is what its bearer sends, and is kept nowhere."""

    token: PersonalToken
    secret: str


class TokenService(Service):
    """The tokens of the user who calls. All methods raise PeopleOnlyError."""

    async def page(self, window: Window) -> Slice:
        """Return tokens, newest first."""
        return await self._tokens.page(self._caller.person.id, window)

    async def get(self, token_id: UUID) -> PersonalToken:
        """Return a token. Raises NotFoundError."""
        return await self._tokens.get_one(user_id=self._caller.person.id, id=token_id)

    async def create(self, fields: dict[str, Any]) -> Issued:
        """Issue a token. Raises SignInNeededError, and BadRequestError where `expires_at` is not in the future."""
        user = self._caller.person
        if self._caller.token is not None:
            # One that leaked would otherwise outlive its own expiry, and its being revoked.
            raise SignInNeededError
        expires_at = fields["expires_at"]
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise BadRequestError(errors=(FieldProblem("/expires_at", "Give a time that is still to come."),))
        secret = new_personal_token()
        token = PersonalToken(**fields, user_id=user.id, token_hash=token_hash(secret))
        await self._tokens.add(token)
        if self._caller.membership is not None:
            await self._record("created", token, self._caller.membership.organization_id)
        return Issued(token, secret)

    async def revoke(self, token_id: UUID) -> None:
        """Revoke a token, which is worth nothing from then on. Raises NotFoundError."""
        token = await self.get(token_id)
        await self._tokens.delete(token.id)
        # It may have streams open in any of the user's organizations, which end where this is read.
        for membership in await MemberRepository(session=self._session).list_of_user(token.user_id):
            await self._record("revoked", token, membership.organization_id)

    @cached_property
    def _tokens(self) -> TokenRepository:
        return TokenRepository(session=self._session)

    async def _record(self, verb: str, token: PersonalToken, organization_id: UUID) -> None:
        """Record in an organization in which it acts; without its name, since every member reads the activity."""
        await self._activity_of(organization_id).record(f"token.{verb}", token.scope, subject_id=token.id)
