"""What the worker processes of a server share."""

import tempfile
from pathlib import Path

import pytest

from app.core.worker import Worker
from app.server.workers import folder_of_sockets


def test_workers_find_the_sockets_of_the_others() -> None:
    with folder_of_sockets() as folder:
        assert folder is not None
        workers = [Worker(number, folder) for number in (0, 1, 10)]
        for worker in workers:
            worker.socket.touch()
        assert workers[1].others() == {0: workers[0].socket, 10: workers[2].socket}
    assert not folder.exists()


@pytest.mark.parametrize("name", ["not there", "long" * 25])
def test_without_a_fit_folder_workers_have_no_sockets(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ("long" * 25)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    with folder_of_sockets() as folder:
        assert folder is None
