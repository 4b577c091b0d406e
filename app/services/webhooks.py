"""Webhooks: who sends to one is known by its signature, if at all."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import AppError, ForbiddenError, NotFoundError
from app.models import SIGNATURE_HEADER, Board, BoardWebhook, BoardWebhookPayload
from app.repositories.agents import AgentRepository
from app.repositories.webhooks import Receiver, WebhookPayloadRepository, WebhookRepository
from app.services.activity import ActivityLog
from app.services.boards import UnknownReferenceError
from app.services.identity import NOBODY, Caller
from app.services.rate_limits import Limit

PER_ADDRESS = Limit("webhook", 60, timedelta(minutes=1))
_PREFIX = "sha256="
# Headers that hold what a sender signs in with, at us or on the way to us.
_CREDENTIALS = re.compile(r"auth|cookie|token|secret|passw|key|signature|credential|session|csrf", re.IGNORECASE)


class InvalidSignatureError(ForbiddenError):
    code = "invalid_signature"

    def __init__(self, header: str) -> None:
        super().__init__(f"`{header}` has to hold the HMAC-SHA256 of the body in hexadecimal, keyed with the secret.")


class WebhookDisabledError(AppError):
    status = HTTPStatus.GONE
    code = "webhook_disabled"
    default_detail = "This webhook is disabled."


class Delivery(NamedTuple):
    """What was sent, and by whom; the names of `headers` are in lower case."""

    body: bytes
    headers: Mapping[str, str]
    source_ip: str | None

    def is_signed(self, webhook: BoardWebhook) -> bool:
        """Whether it has the signature that the webhook asks for, if it does; takes a time that tells nothing of it."""
        if webhook.secret is None:
            return True
        given = self.headers.get(webhook.signature_header.lower(), "").strip().lower().removeprefix(_PREFIX)
        expected = hmac.new(webhook.secret.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(given.encode(), expected.encode())

    def kept_headers(self, webhook: BoardWebhook) -> dict[str, str]:
        own = webhook.signature_header.lower()
        return {name: value for name, value in self.headers.items() if name != own and not _CREDENTIALS.search(name)}


class Webhooks:
    """The webhooks of a board that the caller has opened."""

    def __init__(self, session: AsyncSession, caller: Caller, board: Board) -> None:
        self._board = board
        self._agents = AgentRepository(session=session)
        self._webhooks = WebhookRepository(session=session)
        self._payloads = WebhookPayloadRepository(session=session)
        self._activity = ActivityLog(session, caller, board.organization_id)

    async def find(self, webhook_id: UUID) -> BoardWebhook:
        """Raises NotFoundError."""
        webhook = await self._webhooks.find(self._board.id, webhook_id)
        if webhook is None:
            raise NotFoundError
        return webhook

    async def payload(self, webhook_id: UUID, payload_id: UUID) -> BoardWebhookPayload:
        """Raises NotFoundError."""
        webhook = await self.find(webhook_id)
        payload = await self._payloads.find(webhook.id, payload_id)
        if payload is None:
            raise NotFoundError
        return payload

    async def create(self, fields: dict[str, Any]) -> BoardWebhook:
        """Raises UnknownReferenceError."""
        await self._check(fields)
        where = {"organization_id": self._board.organization_id, "board_id": self._board.id}
        webhook = await self._webhooks.store(BoardWebhook(**where, **_with_header(fields)))
        await self._note("created", webhook)
        return webhook

    async def update(self, webhook_id: UUID, changes: dict[str, Any]) -> BoardWebhook:
        """Raises NotFoundError and UnknownReferenceError."""
        webhook = await self.find(webhook_id)
        await self._check(changes)
        for name, value in _with_header(changes).items():
            setattr(webhook, name, value)
        await self._webhooks.store(webhook)
        await self._note("updated", webhook)
        return webhook

    async def delete(self, webhook_id: UUID) -> None:
        """What came in by it goes with it. Raises NotFoundError."""
        webhook = await self.find(webhook_id)
        await self._webhooks.remove(webhook.id)
        await self._note("deleted", webhook)

    async def _check(self, fields: dict[str, Any]) -> None:
        agent_id = fields.get("agent_id")
        if agent_id is not None and not await self._agents.is_on_board(agent_id, self._board.id):
            raise UnknownReferenceError("agent_id", "agent on this board")

    async def _note(self, verb: str, webhook: BoardWebhook) -> None:
        await self._activity.record(
            f"webhook.{verb}", webhook.description, board_id=self._board.id, subject_id=webhook.id
        )


async def find_receiver(session: AsyncSession, board_id: UUID, webhook_id: UUID) -> Receiver:
    """Raises NotFoundError."""
    found = await WebhookRepository(session=session).receiver(board_id, webhook_id)
    if found is None:
        raise NotFoundError
    return found


async def receive(session: AsyncSession, receiver: Receiver, delivery: Delivery) -> BoardWebhookPayload:
    """Raises WebhookDisabledError and InvalidSignatureError."""
    webhook = receiver.webhook
    if not webhook.enabled:
        raise WebhookDisabledError
    if not delivery.is_signed(webhook):
        raise InvalidSignatureError(webhook.signature_header)
    payload = BoardWebhookPayload(
        organization_id=receiver.organization_id,
        webhook_id=webhook.id,
        body=delivery.body,
        headers=delivery.kept_headers(webhook),
        source_ip=delivery.source_ip,
        content_type=delivery.headers.get("content-type"),
    )
    await WebhookPayloadRepository(session=session).add(payload, auto_refresh=False)
    log = ActivityLog(session, NOBODY, receiver.organization_id)
    await log.record("webhook.received", webhook.description, board_id=webhook.board_id, subject_id=payload.id)
    return payload


def _with_header(fields: dict[str, Any]) -> dict[str, Any]:
    if "signature_header" not in fields:
        return fields
    return {**fields, "signature_header": fields["signature_header"] or SIGNATURE_HEADER}
