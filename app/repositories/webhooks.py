"""Webhooks of boards, and what came in by them."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from app.core.paging import Slice, Window
from app.models import Board, BoardWebhook, BoardWebhookPayload
from app.repositories.base import Repository
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_WEBHOOKS = Ordering("webhooks", BoardWebhook, sortable=("updated_at", "description"))
_PAYLOADS = Ordering("webhook payloads", BoardWebhookPayload)


class Receiver(NamedTuple):
    """A webhook, and the organization that its board is of."""

    webhook: BoardWebhook
    organization_id: UUID


class WebhookRepository(Repository[BoardWebhook]):
    model_type = BoardWebhook

    async def store(self, webhook: BoardWebhook) -> BoardWebhook:
        self.session.add(webhook)
        await self.session.flush()
        return webhook

    async def page(self, board_id: UUID, window: Window) -> Slice:
        """The webhooks of the board, newest first."""
        return await read_slice(
            self.session, select(BoardWebhook).where(BoardWebhook.board_id == board_id), _WEBHOOKS, window
        )

    async def find(self, board_id: UUID, webhook_id: UUID) -> BoardWebhook | None:
        statement = select(BoardWebhook).where(BoardWebhook.board_id == board_id, BoardWebhook.id == webhook_id)
        return (await self.session.scalars(statement)).one_or_none()

    async def receiver(self, board_id: UUID, webhook_id: UUID) -> Receiver | None:
        """As `find`, for a sender who is nobody; it stays until the transaction ends."""
        statement = (
            select(BoardWebhook, Board.organization_id)
            .join(Board, Board.id == BoardWebhook.board_id)
            .where(BoardWebhook.board_id == board_id, BoardWebhook.id == webhook_id)
            .with_for_update(read=True, key_share=True)
        )
        row = (await self.session.execute(statement)).one_or_none()
        return Receiver(row[0], row[1]) if row else None


class WebhookPayloadRepository(Repository[BoardWebhookPayload]):
    model_type = BoardWebhookPayload

    async def page(self, webhook_id: UUID, window: Window) -> Slice:
        """What came in by the webhook, newest first."""
        statement = select(BoardWebhookPayload).where(BoardWebhookPayload.webhook_id == webhook_id)
        return await read_slice(self.session, statement, _PAYLOADS, window)

    async def find(self, webhook_id: UUID, payload_id: UUID) -> BoardWebhookPayload | None:
        statement = select(BoardWebhookPayload).where(
            BoardWebhookPayload.webhook_id == webhook_id, BoardWebhookPayload.id == payload_id
        )
        return (await self.session.scalars(statement)).one_or_none()
