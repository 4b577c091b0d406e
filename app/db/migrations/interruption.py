"""Ending at Ctrl-C and at SIGTERM: what is under way is rolled back, and what was done stays."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptedBySignalError(Exception):
    """Its `exit_code` is what a shell gives a process that such a signal ended."""

    def __init__(self, number: signal.Signals) -> None:
        self.exit_code = 128 + number
        super().__init__(f"interrupted by {number.name}")


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Makes the signals cancel the current task while this lasts; then raises InterruptedBySignalError."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    # Signals are the main thread's.
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
