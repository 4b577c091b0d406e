"""Who is calling: the bearer token of a request, turned into a user and his place in his active organization."""

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from app.core.config import Settings
from app.core.errors import UnauthorizedError
from app.core.security import tokens_equal
from app.db.session import session_of
from app.services.identity import sign_in_local


class AuthMiddleware(ASGIMiddleware):
    """Signs the request in before its body is read; 401 otherwise."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] != "OPTIONS":
            self._check(_bearer(scope))
            identity = await sign_in_local(session_of(scope))
            scope["user"] = identity
        await next_app(scope, receive, send)

    def _check(self, token: str) -> None:
        expected = self._settings.local_auth_token
        if expected is None or not tokens_equal(token, expected.reveal()):
            raise UnauthorizedError("This token is not known.")


def _bearer(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise UnauthorizedError
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or len(values) > 1:
        raise UnauthorizedError
    return token.strip()
