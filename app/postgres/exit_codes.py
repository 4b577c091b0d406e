"""End a program by the exit code of an error, with its message in place of a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import DatabaseError
from .settings_error import SettingsError

# What a shell reports for Ctrl-C.
_INTERRUPTED = 130


@contextmanager
def errors_end_the_program() -> Iterator[None]:
    """Make of an error with an exit code one line on standard error, and SystemExit; of Ctrl-C, too."""
    try:
        yield
    except (DatabaseError, SettingsError) as exc:
        sys.stderr.write(f"Error: {exc}\n")
        raise SystemExit(exc.exit_code) from None
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        raise SystemExit(_INTERRUPTED) from None
