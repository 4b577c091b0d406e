"""Webhooks of boards, and what comes in by them: a sender is known by a signature, if at all."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import AppError, ForbiddenError
from app.core.pagination import Slice, Window
from app.models import SIGNATURE_HEADER, Board, BoardWebhook, BoardWebhookPayload
from app.repositories.webhooks import Receiver, WebhookPayloadRepository, WebhookRepository
from app.services.activity_log import ActivityLog
from app.services.base import Service
from app.services.boards import BoardService
from app.services.callers import NOBODY
from app.services.rate_limits import Limit

PER_ADDRESS = Limit("webhook", 60, timedelta(minutes=1))
_PREFIX = "sha256="
# Headers that hold what a sender signs in with, at us or on the way to us.
CREDENTIAL_HEADERS = re.compile(r"auth|cookie|token|secret|passw|key|signature|credential|session|csrf", re.IGNORECASE)


class InvalidSignatureError(ForbiddenError):
    code = "invalid_signature"

    def __init__(self, header: str) -> None:
        super().__init__(f"`{header}` has to hold the HMAC-SHA256 of the body in hexadecimal, keyed with the secret.")


class WebhookDisabledError(AppError):
    status = HTTPStatus.GONE
    code = "webhook_disabled"
    default_detail = "This webhook is disabled."


class Delivery(NamedTuple):
    """One request to a webhook; the names of `headers` are in lower case."""

    body: bytes
    headers: Mapping[str, str]
    source_ip: str | None

    def is_signed(self, webhook: BoardWebhook) -> bool:
        """Return whether it has the signature that the webhook asks for, in a time that tells nothing about it."""
        if webhook.secret is None:
            return True
        given = self.headers.get(webhook.signature_header.lower(), "").strip().lower().removeprefix(_PREFIX)
        expected = hmac.new(webhook.secret.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(given.encode(), expected.encode())

    def kept_headers(self, webhook: BoardWebhook) -> dict[str, str]:
        """Return the headers without those that hold credentials."""
        own = webhook.signature_header.lower()
        return {
            name: value for name, value in self.headers.items() if name != own and not CREDENTIAL_HEADERS.search(name)
        }


class WebhookService(Service):
    """The webhooks of boards. All methods raise as `BoardService.get` or `get_writable`, and NotFoundError."""

    async def page(self, board_id: UUID, window: Window) -> Slice:
        """Return the board's webhooks, newest first."""
        board = await self._boards.get(board_id)
        return await self._webhooks.page(board.id, window)

    async def get(self, board_id: UUID, webhook_id: UUID) -> BoardWebhook:
        return await self._get(await self._boards.get(board_id), webhook_id)

    async def page_payloads(self, board_id: UUID, webhook_id: UUID, window: Window) -> Slice:
        """Return what came in by a webhook, newest first."""
        webhook = await self.get(board_id, webhook_id)
        return await WebhookPayloadRepository(session=self._session).page(webhook.id, window)

    async def get_payload(self, board_id: UUID, webhook_id: UUID, payload_id: UUID) -> BoardWebhookPayload:
        webhook = await self.get(board_id, webhook_id)
        payloads = WebhookPayloadRepository(session=self._session)
        return await payloads.get_one(webhook_id=webhook.id, id=payload_id)

    async def create(self, board_id: UUID, fields: dict[str, Any]) -> BoardWebhook:
        """Create a webhook. Raises UnknownReferenceError."""
        board = await self._boards.get_writable(board_id)
        await self._boards.require_agent(board, "agent_id", fields.get("agent_id"))
        webhook = BoardWebhook(organization_id=board.organization_id, board_id=board.id, **_with_header(fields))
        await self._webhooks.add(webhook)
        await self._record("created", board, webhook)
        return webhook

    async def update(self, board_id: UUID, webhook_id: UUID, changes: dict[str, Any]) -> BoardWebhook:
        """Change a webhook. Raises UnknownReferenceError."""
        board = await self._boards.get_writable(board_id)
        webhook = await self._webhooks.lock(board_id=board.id, id=webhook_id)
        await self._boards.require_agent(board, "agent_id", changes.get("agent_id"))
        for name, value in _with_header(changes).items():
            setattr(webhook, name, value)
        await self._record("updated", board, webhook)
        return webhook

    async def delete(self, board_id: UUID, webhook_id: UUID) -> None:
        """Delete a webhook with all that came in by it."""
        board = await self._boards.get_writable(board_id)
        webhook = await self._get(board, webhook_id)
        await self._webhooks.delete(webhook.id)
        await self._record("deleted", board, webhook)

    @cached_property
    def _boards(self) -> BoardService:
        return BoardService(self._session, self._caller)

    @cached_property
    def _webhooks(self) -> WebhookRepository:
        return WebhookRepository(session=self._session)

    async def _get(self, board: Board, webhook_id: UUID) -> BoardWebhook:
        return await self._webhooks.get_one(board_id=board.id, id=webhook_id)

    async def _record(self, verb: str, board: Board, webhook: BoardWebhook) -> None:
        log = self._activity_of(board.organization_id)
        await log.record(f"webhook.{verb}", webhook.description, board_id=board.id, subject_id=webhook.id)


class WebhookReceiver:
    """Takes what senders, who are no callers, send to webhooks. All methods raise NotFoundError."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def count(self, board_id: UUID, webhook_id: UUID, source_ip: str | None) -> None:
        """Count a delivery. Raises TooManyRequestsError; it has been counted all the same."""
        await self._lock(board_id, webhook_id)
        await PER_ADDRESS.take(self._session, str(webhook_id), source_ip or "")

    async def receive(self, board_id: UUID, webhook_id: UUID, delivery: Delivery) -> BoardWebhookPayload:
        """Store a delivery. Raises WebhookDisabledError and InvalidSignatureError."""
        webhook, organization_id = await self._lock(board_id, webhook_id)
        if not webhook.enabled:
            raise WebhookDisabledError
        if not delivery.is_signed(webhook):
            raise InvalidSignatureError(webhook.signature_header)
        payload = BoardWebhookPayload(
            organization_id=organization_id,
            webhook_id=webhook.id,
            body=delivery.body,
            headers=delivery.kept_headers(webhook),
            source_ip=delivery.source_ip,
            content_type=delivery.headers.get("content-type"),
        )
        await WebhookPayloadRepository(session=self._session).add(payload)
        log = ActivityLog(self._session, NOBODY, organization_id)
        await log.record("webhook.received", webhook.description, board_id=webhook.board_id, subject_id=payload.id)
        return payload

    async def _lock(self, board_id: UUID, webhook_id: UUID) -> Receiver:
        return await WebhookRepository(session=self._session).lock_receiver(board_id, webhook_id)


def _with_header(fields: dict[str, Any]) -> dict[str, Any]:
    if "signature_header" not in fields:
        return fields
    return {**fields, "signature_header": fields["signature_header"] or SIGNATURE_HEADER}
