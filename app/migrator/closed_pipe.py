"""End a command as SIGPIPE would when nobody reads its output any more: `… drift | head -1`.

The signal itself would also end a process whose database closes a connection.
"""

import atexit
import io
import os
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

EXIT_CODE = 128 + 13  # A shell's code for SIGPIPE, which not every system has.
_STREAMS = ("stdout", "stderr")


class _Pipe(io.FileIO):
    """A pipe that ends the program at the first write that nobody can read, before that becomes another error."""

    is_broken = False

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self.is_broken = True
            # The rest of a buffer has to go somewhere.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            raise SystemExit(EXIT_CODE) from None


def end_at_closed_pipe() -> None:
    """Have this process end with exit code 141 and no message when a pipe that it writes to is closed.

    Only for commands: a server goes on without its log.
    """
    for name in _STREAMS:
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and _is_pipe(stream):
            setattr(sys, name, _wrap(stream))
            atexit.unregister(_flush_at_exit)
            atexit.register(_flush_at_exit)


def _is_pipe(stream: TextIO) -> bool:
    return not isinstance(_raw(stream), _Pipe) and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)


def _raw(stream: TextIO) -> object:
    return getattr(stream.buffer, "raw", stream.buffer)


def _wrap(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    pipe = _Pipe(stream.fileno(), "wb", closefd=False)
    # With PYTHONUNBUFFERED there is no buffer.
    buffer = pipe if _raw(stream) is stream.buffer else io.BufferedWriter(pipe)
    return io.TextIOWrapper(
        buffer,  # as the interpreter does
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _flush_at_exit() -> None:
    """Write what is left; end with the exit code of a closed pipe, even where its SystemExit was caught."""
    streams = [stream for name in _STREAMS if isinstance(stream := getattr(sys, name), io.TextIOWrapper)]
    for stream in streams:
        with suppress(SystemExit, ValueError):  # It may be closed.
            stream.flush()
    if any(isinstance(raw := _raw(stream), _Pipe) and raw.is_broken for stream in streams):
        os._exit(EXIT_CODE)
