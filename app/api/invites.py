"""The controller of invites: /organizations/me/invites and /organizations/invites/accept."""

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.etag import NO_STORE
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.idempotency import IN_ANY_ORGANIZATION
from app.api.http.pagination import page_response
from app.api.members import grants_of, read_member
from app.api.openapi.errors import problems
from app.core.security import InviteTokens
from app.models import OrganizationInvite
from app.schemas.invites import OrganizationInviteAccept, OrganizationInviteCreate, OrganizationInviteRead
from app.schemas.members import OrganizationMemberRead
from app.schemas.pagination import Page
from app.services.invites import InviteService, may_see_token

Invites = NamedDependency[InviteService]
Tokens = NamedDependency[InviteTokens]


class InviteController(Controller):
    path = "/organizations"
    tags = ("organizations",)
    dependencies = provide_service(InviteService)

    @get(
        "/me/invites",
        operation_id="list_invites",
        summary="List the invites to your active organization",
        responses=problems(403, 404),
    )
    async def list_all(
        self, request: CallerRequest, window: PageWindow, service: Invites, invite_tokens: Tokens
    ) -> Response[Page[OrganizationInviteRead]]:
        """List the invites, newest first, with used and expired ones. Only owners and admins may."""
        found = await service.page(window)
        response = page_response(request, window, found, lambda invite: _read(request, invite, invite_tokens))
        response.headers.update(NO_STORE)
        return response

    @post(
        "/me/invites",
        operation_id="create_invite",
        summary="Invite a person to your active organization",
        responses=problems(403, 404),
    )
    async def create(
        self, request: CallerRequest, data: JSONBody[OrganizationInviteCreate], service: Invites, invite_tokens: Tokens
    ) -> Response[OrganizationInviteRead]:
        """Create an invite. Nothing is sent: give the person the `token`, which is valid once, for seven days."""
        fields = data.sent()
        del fields["board_access"]
        invite = await service.create(fields, grants_of(data.board_access))
        headers = {"Location": f"/api/v1/organizations/me/invites/{invite.id}", **NO_STORE}
        return Response(_read(request, invite, invite_tokens), headers=headers, status_code=201)

    @get(
        "/me/invites/{invite_id:uuid}",
        operation_id="get_invite",
        summary="Read an invite",
        responses=problems(403, 404),
    )
    async def read(
        self, request: CallerRequest, invite_id: PathId, service: Invites, invite_tokens: Tokens
    ) -> Response[OrganizationInviteRead]:
        invite = await service.get(invite_id)
        return Response(_read(request, invite, invite_tokens), headers=NO_STORE)

    @delete(
        "/me/invites/{invite_id:uuid}",
        operation_id="delete_invite",
        summary="Withdraw an invite",
        responses=problems(403, 404),
        status_code=200,
    )
    async def remove(
        self, request: CallerRequest, invite_id: PathId, service: Invites, invite_tokens: Tokens
    ) -> Response[OrganizationInviteRead]:
        """Withdraw the invite, and return it. A person who has accepted it remains a member."""
        invite = await service.delete(invite_id)
        return Response(_read(request, invite, invite_tokens), headers=NO_STORE)

    @post(
        "/invites/accept",
        operation_id="accept_invite",
        summary="Accept an invite, by the token in the body",
        responses=problems(403, 404, 409, 410),
        opt={IN_ANY_ORGANIZATION: True},
    )
    async def accept(
        self, data: JSONBody[OrganizationInviteAccept], service: Invites, invite_tokens: Tokens
    ) -> Response[OrganizationMemberRead]:
        """Become a member. The organization becomes your active one if you have none.

        `Location` can be read while the organization is your active one.
        """
        member = await service.accept(invite_tokens, data.token)
        headers = {"Location": f"/api/v1/organizations/me/members/{member.id}"}
        return Response(read_member(member), headers=headers, status_code=201)


def _read(request: CallerRequest, invite: OrganizationInvite, tokens: InviteTokens) -> OrganizationInviteRead:
    shown = may_see_token(request.user.member, invite)
    return to_shape(OrganizationInviteRead, invite, token=tokens.make(invite.id, invite.token_seed) if shown else "")
