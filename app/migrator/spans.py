"""The hook by which a project traces what the engine does; the engine itself knows no tracing library."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

APPLY_REVISION = "apply revision"
REVERT_REVISION = "revert revision"
# It knows how many `partitions` it has made.
MAKE_PARTITIONS = "make partitions"
Attributes = dict[str, str | int | float]
# Called with the name of a piece of work and what is known of it. The context lasts as long as the work, which puts
# what it knows at the end into the yielded dict.
OpenSpan = Callable[[str, Attributes], AbstractContextManager[Attributes]]


@contextmanager
def no_span(_: str, __: Attributes) -> Iterator[Attributes]:
    """Record nothing."""
    yield {}
