"""Webhooks of boards, and what came in by them."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from app.core.pagination import Slice, Window
from app.models import Board, BoardWebhook, BoardWebhookPayload
from app.repositories.base import Repository
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_WEBHOOKS = Ordering("webhooks", BoardWebhook, sortable=("updated_at", "description"))
_PAYLOADS = Ordering("webhook payloads", BoardWebhookPayload)


class Receiver(NamedTuple):
    webhook: BoardWebhook
    organization_id: UUID


class WebhookRepository(Repository[BoardWebhook]):
    model_type = BoardWebhook

    async def page(self, board_id: UUID, window: Window) -> Slice:
        """Return the webhooks of the board, newest first."""
        statement = select(BoardWebhook).where(BoardWebhook.board_id == board_id)
        return await read_slice(self.session, statement, _WEBHOOKS, window)

    async def lock_receiver(self, board_id: UUID, webhook_id: UUID) -> Receiver:
        """Return the webhook, which is not deleted until the transaction ends. Raises NotFoundError."""
        statement = (
            select(BoardWebhook, Board.organization_id)
            .join(Board, Board.id == BoardWebhook.board_id)
            .where(BoardWebhook.board_id == board_id, BoardWebhook.id == webhook_id)
            .with_for_update(read=True, key_share=True)
        )
        return Receiver(*self.check_not_found((await self.session.execute(statement)).one_or_none()))


class WebhookPayloadRepository(Repository[BoardWebhookPayload]):
    model_type = BoardWebhookPayload

    async def page(self, webhook_id: UUID, window: Window) -> Slice:
        """Return what came in by the webhook, newest first."""
        statement = select(BoardWebhookPayload).where(BoardWebhookPayload.webhook_id == webhook_id)
        return await read_slice(self.session, statement, _PAYLOADS, window)
