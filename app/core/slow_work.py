"""Tell people that something takes its time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_FIRST_SECONDS = 2.0


@contextmanager
def tell_when_slow(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` in a thread once this context has lasted two seconds, again four, eight … seconds later."""
    has_ended = threading.Event()

    def run() -> None:
        seconds = _FIRST_SECONDS
        while not has_ended.wait(seconds):
            tell()
            seconds *= 2

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
