"""Streams of real servers: two replicas, of which one is killed, and one that is told to end."""

import signal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.conftest import TOKEN
from tests.support.database import query
from tests.support.processes import Server, environment, serving
from tests.support.waiting import PATIENCE

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def made_board(server: Server) -> str:
    body = {"name": "Deck", "slug": "deck", "description": ""}
    return str(httpx.post(f"{server.url}/api/v1/boards", json=body, headers=HEADERS).json()["id"])


class Follower:
    """Reads the stream of a board's tasks, and goes on at another server where it stopped."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.last_id: str | None = None

    def read(self, server: Server, board_id: str, until: str, on_title: Any = lambda title: None) -> None:
        """Until a task of this title, or the end of the connection."""
        headers = HEADERS | ({"Last-Event-ID": self.last_id} if self.last_id else {})
        url = f"{server.url}/api/v1/boards/{board_id}/tasks/stream"
        try:
            with httpx.stream("GET", url, headers=headers, timeout=PATIENCE) as response:
                assert response.status_code == 200
                on_title("")
                for line in response.iter_lines():
                    field, _, value = line.partition(": ")
                    if field == "id":
                        self.last_id = value
                    elif field == "data":
                        self.titles.append(msgspec.json.decode(value)["activity"]["message"])
                        on_title(self.titles[-1])
                        if self.titles[-1] == until:
                            return
        except httpx.TransportError:
            return


def test_stream_goes_on_at_another_replica_without_gap_or_double(database_url: str, tmp_path: Path) -> None:
    env = environment(DATABASE_URL=database_url)
    with serving(env, tmp_path / "first.log") as first, serving(env, tmp_path / "second.log") as second:
        first.wait_until_ready()
        second.wait_until_ready()
        board_id = made_board(second)

        def write(*titles: str) -> None:
            for title in titles:
                url = f"{second.url}/api/v1/boards/{board_id}/tasks"
                assert httpx.post(url, json={"title": title}, headers=HEADERS).status_code == 201

        def die_in_the_middle(title: str) -> None:
            if title == "":
                write("a", "b", "c")
            if title == "b":
                first.stop(signal.SIGKILL)
                write("d", "e")

        follower = Follower()
        follower.read(first, board_id, "never", die_in_the_middle)
        assert follower.titles[:2] == ["a", "b"]
        write("f")
        follower.read(second, board_id, "f")
        assert follower.titles == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.own_database
def test_open_streams_do_not_keep_a_server_from_ending(database_url: str, tmp_path: Path) -> None:
    with serving(environment(DATABASE_URL=database_url), tmp_path / "log") as server:
        server.wait_until_ready()
        url = f"{server.url}/api/v1/boards/{made_board(server)}/tasks/stream"
        with httpx.stream("GET", url, headers=HEADERS, timeout=PATIENCE) as response:
            chunks = response.iter_raw()
            assert next(chunks).startswith(b"retry: ")
            assert server.stop() == -signal.SIGTERM
            assert list(chunks) == []
    assert "Traceback" not in server.log
    ((left,),) = query(
        database_url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    assert left == 0
