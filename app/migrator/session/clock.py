"""The server's clock, beside this machine's: where one of them is wrong, the other one shows it."""

import time

from sqlalchemy import Connection, text

from ...postgres.errors import MigrationFailedError
from ..durations import duration

# Seconds that nothing which goes by months minds.
_BEARABLE = 3600.0
_NOW = text("SELECT extract(epoch FROM clock_timestamp())::float8")


def seconds_ahead(connection: Connection) -> float:
    """Return by how much the server's clock is ahead of this machine's, as far as can be told; behind is negative."""
    before = time.time()
    there = float(connection.scalar(_NOW) or 0)
    after = time.time()
    # Between the two nothing can be told apart from the way there.
    return there - after if there > after else min(0.0, there - before)


class ClocksDifferError(MigrationFailedError):
    """The server's clock or this machine's is wrong, and nobody knows which; nothing was done by either."""


def disagreement(connection: Connection) -> str | None:
    """Return by how much the two clocks are apart, in words; None where that is little."""
    ahead = seconds_ahead(connection)
    return in_words(ahead) if is_far(ahead) else None


def is_far(ahead: float) -> bool:
    return abs(ahead) > _BEARABLE


def in_words(ahead: float) -> str:
    direction = "ahead of" if ahead > 0 else "behind"
    return f"The server's clock is {duration(abs(ahead))} {direction} this machine's"


def require_agreement(connection: Connection) -> None:
    """Raise ClocksDifferError where what month it is depends on whom one asks."""
    if words := disagreement(connection):
        raise ClocksDifferError(
            f"{words}: by the wrong one, months would be dropped or made that are not due. Nothing was changed. Set the"
            " clock (`timedatectl status` on both machines), and start it again."
        )
