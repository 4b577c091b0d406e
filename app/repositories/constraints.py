"""From the constraint that an IntegrityError names to an error of the application."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from app.core.errors import AppError


@contextmanager
def translating(errors: Mapping[str, type[AppError]]) -> Iterator[None]:
    """Raise the error of the constraint that the statements within break; the others are raised as they are."""
    try:
        yield
    except IntegrityError as exc:
        error = errors.get(_constraint_name(exc))
        if error is None:
            raise
        raise error from exc


def _constraint_name(exc: IntegrityError) -> str:
    """Return the name as asyncpg or psycopg tells it."""
    cause = exc.orig.__cause__ if exc.orig is not None else None
    diagnostics = getattr(exc.orig, "diag", None)
    return getattr(cause, "constraint_name", None) or getattr(diagnostics, "constraint_name", None) or ""
