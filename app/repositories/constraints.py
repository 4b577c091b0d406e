"""Which constraint of ours an IntegrityError broke."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from app.core.errors import AppError


@contextmanager
def translating(constraint: str, error: type[AppError]) -> Iterator[None]:
    """Raises `error` where the statements within break the constraint of this name."""
    try:
        yield
    except IntegrityError as exc:
        cause = exc.orig.__cause__ if exc.orig is not None else None
        name = getattr(cause, "constraint_name", None) or getattr(
            getattr(exc.orig, "diag", None), "constraint_name", ""
        )
        if name != constraint:
            raise
        raise error from exc
