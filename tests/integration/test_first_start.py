"""The first start in an empty folder, as README promises it: no setting, one command, the banner's curl."""

import re
import shlex
import signal
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.processes import copied_checkout, environment, run, serving
from tests.support.waiting import PATIENCE


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copied_checkout(tmp_path / "checkout")


# What stands before the banner.
START = r"""(?x)
    ([\d:]{8}\ \[info\]\ (starting\ the\ database|waiting\ for\ the\ database|migrating)\ .*\n)*
    [\d:]{8}\ \[info\]\ applied\ 1\ revision,\ made\ 8\ partitions\ in\ \d+\.\d\ s\n
    [\d:]{8}\ \[info\]\ Uvicorn\ running\ on\ http://127\.0\.0\.1:\d+\ \(Press\ CTRL\+C\ to\ quit\)\n\n
"""
ENV = environment(ENVIRONMENT=None, LOCAL_AUTH_TOKEN=None, DATABASE_URL=None)


def curl_of(banner: str) -> list[str]:
    match = re.search(r"curl -X POST.+?\n    -d '.+?'", banner, re.DOTALL)
    assert match, banner
    return shlex.split(match[0].replace("\\\n", " "))


def test_banners_curl_creates_the_first_board_and_it_is_kept(checkout: Path, tmp_path: Path) -> None:
    with serving(ENV, tmp_path / "log", cwd=checkout) as server:
        server.wait_until_ready()
        command = curl_of(server.log)
        assert re.fullmatch(START, server.log.partition("Plimsoll")[0]), server.log
        answer = subprocess.run(
            [*command, "-sS", "-i"], capture_output=True, text=True, check=True, timeout=PATIENCE
        ).stdout
        assert answer.startswith("HTTP/1.1 201"), answer
        again = subprocess.run(
            [*command, "-sS", "-i"], capture_output=True, text=True, check=True, timeout=PATIENCE
        ).stdout
        assert "409" in again.splitlines()[0]
        server.stop(signal.SIGINT)
    token_file = checkout / ".data" / "local_auth_token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    token = token_file.read_text().strip()
    assert token in " ".join(command)

    # Both command lines reach the same database, which starts again for them.
    assert "(head)" in run("alembic", "current", env=ENV, cwd=checkout).stdout
    assert "(head)" in run("litestar", "database", "show-current-revision", env=ENV, cwd=checkout).stdout

    with serving(ENV, tmp_path / "log2", "--host", "localhost", cwd=checkout) as server:
        server.wait_until_ready()
        boards = httpx.get(f"{server.url}/api/v1/boards", headers={"Authorization": f"Bearer {token}"}).json()
        assert [board["slug"] for board in boards["items"]] == ["first-board"]
        assert token not in server.log.split("First board", 1)[1], "nothing after the banner shows the token"


def test_token_that_somebody_set_is_not_shown(database_url: str, tmp_path: Path) -> None:
    env = environment(ENVIRONMENT="dev", LOCAL_AUTH_TOKEN="hunter2", DATABASE_URL=database_url)
    with serving(env, tmp_path / "log") as server:
        server.wait_until_ready()
        assert "$LOCAL_AUTH_TOKEN" in server.log
        assert "hunter2" not in server.log


def test_workers_share_the_database_and_one_banner(checkout: Path, tmp_path: Path) -> None:
    with serving(ENV, tmp_path / "log", "--wc", "2", cwd=checkout) as server:
        server.wait_until_ready()
        assert server.log.count("Create the first board") == 1
        server.stop(signal.SIGINT)
