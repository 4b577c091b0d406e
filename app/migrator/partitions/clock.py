"""Compare the server's clock with this machine's: where one of them is wrong, the other one shows it."""

import time

from sqlalchemy import Connection, text

from ...postgres.errors import MigrationFailedError
from ..durations import format_duration

# Seconds of difference that do not matter for work by months.
_TOLERATED = 3600.0
_NOW = text("SELECT extract(epoch FROM clock_timestamp())::float8")


def seconds_ahead(connection: Connection) -> float:
    """Return by how many seconds the server's clock is ahead of this machine's; behind is negative."""
    before = time.time()
    there = float(connection.scalar(_NOW) or 0)
    after = time.time()
    # A difference between the two may as well be the time that the query took.
    return there - after if there > after else min(0.0, there - before)


class ClocksDifferError(MigrationFailedError):
    """The server's clock or this machine's is wrong, and nobody knows which; nothing was changed."""


def clock_difference(connection: Connection) -> str | None:
    """Return a sentence that says how far the two clocks are apart; None where the difference does not matter."""
    ahead = seconds_ahead(connection)
    return describe_difference(ahead) if is_significant(ahead) else None


def is_significant(ahead: float) -> bool:
    return abs(ahead) > _TOLERATED


def describe_difference(ahead: float) -> str:
    direction = "ahead of" if ahead > 0 else "behind"
    return f"The server's clock is {format_duration(abs(ahead))} {direction} this machine's"


def require_clocks_agree(connection: Connection) -> None:
    """Raise ClocksDifferError where the two clocks may not show the same month."""
    if words := clock_difference(connection):
        raise ClocksDifferError(
            f"{words}: by the wrong one, months would be dropped or made that are not due. Nothing was changed. Set the"
            " clock (`timedatectl status` on both machines), and start it again."
        )
