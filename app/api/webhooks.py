"""The controller of webhooks and the requests that they have received: /boards/{board_id}/webhooks."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.auth import PUBLIC
from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, Session, provide_service
from app.api.http.pagination import page_response
from app.api.http.query_parameters import ANY_QUERY
from app.api.openapi.errors import problems
from app.db.request.separate_transaction import separate_transaction
from app.models import BoardWebhook, BoardWebhookPayload
from app.schemas.pagination import Page
from app.schemas.webhooks import (
    BoardWebhookCreate,
    BoardWebhookIngestResponse,
    BoardWebhookPayloadRead,
    BoardWebhookRead,
    BoardWebhookUpdate,
)
from app.services.webhooks import Delivery, WebhookReceiver, WebhookService

Webhooks = NamedDependency[WebhookService]
_ONE = "/{webhook_id:uuid}"


class WebhookController(Controller):
    path = "/boards/{board_id:uuid}/webhooks"
    tags = ("board-webhooks",)
    dependencies = provide_service(WebhookService)

    @get(operation_id="list_webhooks", summary="List the webhooks of a board", responses=problems(404))
    async def list_all(
        self, request: CallerRequest, board_id: PathId, window: PageWindow, service: Webhooks
    ) -> Response[Page[BoardWebhookRead]]:
        found = await service.page(board_id, window)
        return page_response(request, window, found, lambda webhook: _read(request, webhook))

    @post(operation_id="create_webhook", summary="Create a webhook", responses=problems(403, 404))
    async def create(
        self, request: CallerRequest, board_id: PathId, data: JSONBody[BoardWebhookCreate], service: Webhooks
    ) -> Response[BoardWebhookRead]:
        webhook = await service.create(board_id, data.sent())
        headers = {"Location": _path(board_id, webhook.id)}
        return Response(_read(request, webhook), headers=headers, status_code=201)

    @get(_ONE, operation_id="get_webhook", summary="Read a webhook", responses=problems(404))
    async def read(
        self, request: CallerRequest, board_id: PathId, webhook_id: PathId, service: Webhooks
    ) -> BoardWebhookRead:
        return _read(request, await service.get(board_id, webhook_id))

    @patch(_ONE, operation_id="update_webhook", summary="Change a webhook", responses=problems(403, 404))
    async def update(
        self,
        request: CallerRequest,
        board_id: PathId,
        webhook_id: PathId,
        data: JSONBody[BoardWebhookUpdate],
        service: Webhooks,
    ) -> BoardWebhookRead:
        return _read(request, await service.update(board_id, webhook_id, data.sent()))

    @delete(
        _ONE,
        operation_id="delete_webhook",
        summary="Delete a webhook with all requests that were received",
        responses=problems(403, 404),
    )
    async def remove(self, board_id: PathId, webhook_id: PathId, service: Webhooks) -> None:
        await service.delete(board_id, webhook_id)

    @post(
        _ONE,
        operation_id="receive_webhook",
        summary="Send a request to a webhook, without a token",
        responses=problems(403, 404, 410, 413, 429),
        security=[{}],
        opt={PUBLIC: True, ANY_QUERY: True},
    )
    async def receive(
        self, request: Request[Any, Any, Any], board_id: PathId, webhook_id: PathId, db_session: Session
    ) -> Response[BoardWebhookIngestResponse]:
        """Receive any body of up to 1 MiB, 60 a minute from one address. With a secret, a signature is required."""
        source_ip = request.client.host if request.client else None
        async with separate_transaction(request.scope) as counting:
            await WebhookReceiver(counting).count(board_id, webhook_id, source_ip)
        headers = {name: ", ".join(request.headers.getall(name)) for name in request.headers}
        delivery = Delivery(await request.body(), headers, source_ip)
        payload = await WebhookReceiver(db_session).receive(board_id, webhook_id, delivery)
        location = f"{_path(board_id, webhook_id)}/payloads/{payload.id}"
        answer = BoardWebhookIngestResponse(board_id=board_id, webhook_id=webhook_id, payload_id=payload.id)
        return Response(answer, headers={"Location": location}, status_code=201)

    @get(
        f"{_ONE}/payloads",
        operation_id="list_payloads",
        summary="List the requests that a webhook has received",
        responses=problems(404),
    )
    async def list_payloads(
        self, request: CallerRequest, board_id: PathId, webhook_id: PathId, window: PageWindow, service: Webhooks
    ) -> Response[Page[BoardWebhookPayloadRead]]:
        found = await service.page_payloads(board_id, webhook_id, window)
        return page_response(request, window, found, lambda payload: read_payload(board_id, payload))

    @get(
        f"{_ONE}/payloads/{{payload_id:uuid}}",
        operation_id="get_payload",
        summary="Read a request that a webhook has received",
        responses=problems(404),
    )
    async def read_one_payload(
        self, board_id: PathId, webhook_id: PathId, payload_id: PathId, service: Webhooks
    ) -> BoardWebhookPayloadRead:
        return read_payload(board_id, await service.get_payload(board_id, webhook_id, payload_id))


def read_payload(board_id: UUID, payload: BoardWebhookPayload, max_chars: int | None = None) -> BoardWebhookPayloadRead:
    """Return the shape of a received request; with `max_chars` its body is text, cut to that length."""
    content = _content(payload.body) if max_chars is None else _text(payload.body)[:max_chars]
    return to_shape(
        BoardWebhookPayloadRead, payload, board_id=board_id, payload=content, received_at=payload.created_at
    )


def _content(body: bytes) -> object:
    """Return JSON unchanged to the last digit, anything else as text, and an empty body as None."""
    if not body.strip():
        return None
    try:
        body.decode()
        return msgspec.json.decode(body, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return _text(body)


def _text(body: bytes) -> str:
    return body.decode(errors="replace")


def _path(board_id: UUID, webhook_id: UUID) -> str:
    return f"/api/v1/boards/{board_id}/webhooks/{webhook_id}"


def _read(request: CallerRequest, webhook: BoardWebhook) -> BoardWebhookRead:
    path, base_url = _path(webhook.board_id, webhook.id), request.app.state.public_base_url
    return to_shape(
        BoardWebhookRead,
        webhook,
        has_secret=webhook.secret is not None,
        endpoint_path=path,
        endpoint_url=f"{base_url}{path}" if base_url else None,
    )
