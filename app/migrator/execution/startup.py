"""Upgrade the database while a program starts."""

import asyncio

from ..config import MigratorConfig
from ..phase import Phase
from ..signals import Canceller
from .commands import upgrade


async def upgrade_at_start(config: MigratorConfig, phase: Phase = Phase.CONTRACT) -> None:
    """Apply the pending revisions, however many processes do so at once; stop where the task is cancelled.

    Raises MigrationFailedError, DatabaseUnreachableError and ReadOnlyDatabaseError.
    """
    canceller = Canceller()
    try:
        await asyncio.to_thread(upgrade, config, phase=phase, automatic=True, canceller=canceller)
    except asyncio.CancelledError:
        # A thread cannot be cancelled, and the process would wait for it.
        canceller.cancel()
        raise
