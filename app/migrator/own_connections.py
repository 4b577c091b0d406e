"""Refuse the connections that a revision opens by itself where what it does is not to stay.

Such connections escape the transaction that is rolled back, and are real ones where a revision's SQL is only read.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Pool, event


class OwnConnectionError(Exception):
    """A revision wanted a connection of its own, through SQLAlchemy; it was closed before anything was sent."""

    def __init__(self) -> None:
        super().__init__("it opens a connection of its own, on which nothing would be rolled back")


@contextmanager
def own_connections_refused() -> Iterator[None]:
    """Raise OwnConnectionError for every connection that is opened by SQLAlchemy here, or in a thread begun here."""
    task, threads = _current_task(), {thread.ident for thread in threading.enumerate()}
    refused: list[OwnConnectionError] = []

    def refuse(*_: object) -> None:
        current = threading.get_ident()
        # Not what else goes on in this process, such as the guard of a session, which has a task of its own.
        if current not in threads or (current == here and _current_task() is task):
            refused.append(OwnConnectionError())
            raise refused[-1]

    here = threading.get_ident()
    event.listen(Pool, "checkout", refuse)
    try:
        yield
    finally:
        event.remove(Pool, "checkout", refuse)
    # The revision may have caught it, or its thread died of it.
    if refused:
        raise refused[0]


def _current_task() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:
        # A thread without a loop.
        return None
