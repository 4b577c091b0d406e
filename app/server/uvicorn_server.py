"""The server of one process: uvicorn's, which a signal ends within a time limit."""

import faulthandler
import multiprocessing
import os
import signal
from types import FrameType

import uvicorn

# Seconds after SHUTDOWN_TIMEOUT: for requests to be cancelled, and for everything else to end.
CANCEL_SECONDS = 1
_EXIT_SECONDS = 4
_STANDARD_ERROR = 2


class Server(uvicorn.Server):
    """Uvicorn's server, in which a second SIGTERM or SIGINT ends the process at once.

    The first signal lets requests under way be answered. A worker process gets one signal only, from its parent.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            # This thread runs no Python code, so it ends the process even if the event loop hangs.
            limit = (self.config.timeout_graceful_shutdown or 0) + _EXIT_SECONDS
            faulthandler.dump_traceback_later(limit, exit=True, file=_STANDARD_ERROR)
            super().handle_exit(sig, frame)
        elif multiprocessing.parent_process() is None:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
            # Process 1 of a container ignores signals whose default action would end it.
            os._exit(128 + sig)
