"""A terminal within this process, for what is printed in another way where a person reads it."""

import io
import re


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_on(stream: io.StringIO) -> list[str]:
    """Return the lines as they are seen, without colours."""
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()]
