"""The controller of personal access tokens: /users/me/tokens."""

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.etag import NO_STORE
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.idempotency import IN_ANY_ORGANIZATION
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.models import PersonalToken
from app.schemas.pagination import Page
from app.schemas.tokens import PersonalTokenCreate, PersonalTokenRead, PersonalTokenWithSecret
from app.services.tokens import TokenService

Tokens = NamedDependency[TokenService]


class TokenController(Controller):
    path = "/users/me/tokens"
    tags = ("users",)
    dependencies = provide_service(TokenService)

    @get(operation_id="list_tokens", summary="List your personal access tokens", responses=problems(403))
    async def list_all(
        self, request: CallerRequest, window: PageWindow, service: Tokens
    ) -> Response[Page[PersonalTokenRead]]:
        found = await service.page(window)
        return page_response(request, window, found, _read)

    @post(
        operation_id="create_token",
        summary="Create a personal access token",
        responses=problems(403),
        opt={IN_ANY_ORGANIZATION: True},
    )
    async def create(self, data: JSONBody[PersonalTokenCreate], service: Tokens) -> Response[PersonalTokenWithSecret]:
        """Create a token. Only this answer has the `token`, whose hash is stored. With scope `read` it may only GET."""
        token, secret = await service.create(data.sent())
        headers = {"Location": f"/api/v1/users/me/tokens/{token.id}", **NO_STORE}
        return Response(to_shape(PersonalTokenWithSecret, token, token=secret), headers=headers, status_code=201)

    @get(
        "/{token_id:uuid}",
        operation_id="get_token",
        summary="Read a personal access token, without the secret",
        responses=problems(403, 404),
    )
    async def read(self, token_id: PathId, service: Tokens) -> PersonalTokenRead:
        return _read(await service.get(token_id))

    @delete(
        "/{token_id:uuid}",
        operation_id="revoke_token",
        summary="Revoke a personal access token",
        responses=problems(403, 404),
    )
    async def revoke(self, token_id: PathId, service: Tokens) -> None:
        await service.revoke(token_id)


def _read(token: PersonalToken) -> PersonalTokenRead:
    return to_shape(PersonalTokenRead, token)
