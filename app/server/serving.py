"""The server of one process: uvicorn's, which a signal ends within a bound."""

import faulthandler
import multiprocessing
import os
import signal
from types import FrameType

import uvicorn

# Seconds: for requests that are cancelled at the end of the bound, and for all that is left.
CANCELLING = 1
_REST = 4
_STANDARD_ERROR = 2


class Server(uvicorn.Server):
    """Uvicorn's server, in which a second SIGTERM or SIGINT ends the process at once.

    The first lets requests that are under way be answered. A worker of several is told by its parent alone, once.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            # In a thread that needs no Python: it ends the process whatever hangs, the event loop too.
            limit = (self.config.timeout_graceful_shutdown or 0) + _REST
            faulthandler.dump_traceback_later(limit, exit=True, file=_STANDARD_ERROR)
            super().handle_exit(sig, frame)
        elif multiprocessing.parent_process() is None:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
            # Process 1 of a container is spared what signals do by default.
            os._exit(128 + sig)
