"""End at Ctrl-C and at SIGTERM: what is under way is rolled back, and what is done stays."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..postgres.errors import DatabaseError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptedBySignalError(DatabaseError):
    """A signal ended the work; `exit_code` is the one that a shell reports for that signal."""

    def __init__(self, number: signal.Signals) -> None:
        self.exit_code = 128 + number
        super().__init__(
            f"Stopped by {number.name}. What was begun is rolled back, or made good by the next run: run it again to go"
            " on."
        )


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM cancel the current task within this context; raise InterruptedBySignalError then.

    Without it SIGTERM would end the process but not its statement on the server, which goes on until the server
    notices. A container's first process would not get the signal at all.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    # Only the main thread can handle signals.
    signals = _SIGNALS if threading.current_thread() is threading.main_thread() else ()
    for number in signals:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    except asyncio.CancelledError:
        if not received:
            raise
        raise InterruptedBySignalError(received[0]) from None
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


class Canceller:
    """Cancels work in another thread's event loop, as Ctrl-C does in the main thread's."""

    def __init__(self) -> None:
        self._is_cancelled = False
        self._cancel: Callable[[], object] | None = None

    def attach(self) -> None:
        """Register the current task as the one to cancel."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._cancel = lambda: None if loop.is_closed() else loop.call_soon_threadsafe(task.cancel)
        if self._is_cancelled:
            task.cancel()

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._cancel is not None:
            self._cancel()
