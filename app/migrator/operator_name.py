"""Name who changes the schema, for the records."""

import getpass
import os
import socket


def current_operator() -> str:
    """Return the user of the operating system and the host, as far as they have names."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container's user often has no name.
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
