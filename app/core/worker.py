"""Which of several worker processes this one is."""

from pathlib import Path
from typing import NamedTuple


class Worker(NamedTuple):
    """One of the workers of a server: its number, and a folder in which all of them have sockets."""

    number: int
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.number}.sock"

    def others(self) -> dict[int, Path]:
        """Return the sockets of the other workers, by their numbers."""
        found = {int(path.stem): path for path in self.folder.glob("*.sock")}
        return {number: path for number, path in sorted(found.items()) if number != self.number}


# A process becomes a worker once, when it starts.
_this: list[Worker] = []


def become_worker(worker: Worker) -> None:
    _this[:] = [worker]


def this_worker() -> Worker | None:
    """Return the worker that this process is; None if it serves alone."""
    return _this[0] if _this else None
