"""`litestar demo rollout`: it proves that no request fails, counts those that do, and leaves nothing behind."""

import asyncio
import io
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest
from click.testing import CliRunner
from rich.console import Console

from app.cli.demo.commands import demo
from app.cli.demo.rollout import nginx
from app.cli.demo.rollout.errors import RolloutError
from app.cli.demo.rollout.figures import Figures, Sample, measure
from app.cli.demo.rollout.processes import Release, Replica
from app.cli.demo.rollout.proof import check_requests
from app.cli.demo.rollout.screen import print_summary, render
from app.cli.demo.rollout.stages import AFTER, BACKFILL, BEFORE, BOTH, CONTRACT, EXPAND, SEED, STEPS
from app.cli.demo.rollout.traffic import KnownTask, Traffic
from app.cli.demo.rollout.view import Check, RolloutView, Step
from tests.support.processes import ROOT, debian_program, environment, run
from tests.support.stopping import running
from tests.support.waiting import PATIENCE, until, wait_until

ROLLOUT = ("litestar", "demo", "rollout")


def test_rollout_fails_no_request_and_leaves_nothing(tmp_path: Path, long: bool) -> None:
    debian_program("nginx", "nginx-light")
    size = ("--rows", "1000000") if long else ("--rows", "2000", "--rate", "30", "--seconds", "0.5")
    done = run(*ROLLOUT, *size, "--json", env=environment(TMPDIR=str(tmp_path)), seconds=1800 if long else 300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["has_passed"]
    assert [check["what"] for check in result["checks"] if not check["holds"]] == []
    assert len(result["checks"]) == 9
    assert (result["total"]["failed"], result["failures"]) == (0, [])
    figures = {step["name"]: step["figures"] for step in result["steps"]}
    assert list(figures) == list(STEPS)
    assert all(figures[step]["requests"] for step in (BEFORE, EXPAND, BACKFILL, BOTH, CONTRACT, AFTER))
    assert result["total"]["requests"] == sum(one["requests"] for one in figures.values())
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_rollout_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    debian_program("nginx", "nginx-light")
    folder = tmp_path / "temporary"
    folder.mkdir()
    with running(ROLLOUT, environment(TMPDIR=str(folder)), ROOT, tmp_path / "log") as process:
        # Its children are the command, and PostgreSQL is not: what started it has ended.
        wait_until(lambda: _works_in(folder, "upgrade") and _works_in(folder, "postgres"), "the schema is made")
        os.kill(process.pid, how)
        assert process.wait(timeout=PATIENCE) == (-how if how == signal.SIGKILL else 128 + how)
    wait_until(lambda: not _works_in(folder, ""), "the processes have ended")
    assert how == signal.SIGKILL or [*folder.iterdir()] == []


def _works_in(folder: Path, word: str) -> bool:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in process.cwd() and word in " ".join(process.cmdline()):
                return True
    return False


def test_missing_nginx_is_named_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nginx, "_ALSO_IN", ())
    result = CliRunner().invoke(demo, ["rollout"])
    assert result.exit_code == 1
    assert "apt-get install nginx-light" in " ".join(result.stderr.replace("│", "").split())


async def test_replica_that_does_not_start_is_an_error_with_its_reason(tmp_path: Path) -> None:
    replica = Replica(
        "next 1", Release("next", tmp_path, {"LITESTAR_APP": "app.asgi:create_app", "DB_POOL_SIZE": "no"})
    )
    with pytest.raises(RolloutError, match=r"next 1 did not become ready(.|\n)*DB_POOL_SIZE"):
        await replica.start()


async def test_failures_are_counted_where_they_were_sent() -> None:
    board = uuid4()
    async with _server() as url:
        tasks = [KnownTask(board, uuid4(), "stored") for _ in range(50)]
        traffic = Traffic(url, "token", 200, board, tasks, step="first")
        async with traffic.flowing():
            await until(lambda: all(f": {kind}:" in str(traffic.failures) for kind in ("read", "patch", "create")))
            traffic.step = "second"
            await until(lambda: bool(traffic.samples["second"]), "a request of the second step was answered")
    failures = traffic.failures
    assert any("read: UnexpectedAnswerError a task does not have the description" in one for one in failures)
    assert any("patch: UnexpectedAnswerError 502 bad" in one for one in failures)
    assert any("create: RemoteProtocolError" in one for one in failures)
    assert not any("list: " in one for one in failures)
    assert {one.partition(":")[0] for one in failures} <= {"first", "second"}
    # What the task holds after a change that was not answered, nobody knows.
    changed = sum(": patch: " in one for one in failures)
    assert len(traffic.known_tasks) == 50 - changed
    view = _view(traffic)
    assert check_requests(view).found == f"{len(failures)} of {traffic.sent} requests failed"
    assert not check_requests(view).holds


@asynccontextmanager
async def _server() -> AsyncIterator[str]:
    """Answer lists well, reads with something else, changes with a 502, and new tasks not at all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, *_ = head.decode().split()
        if length := re.search(rb"(?i)content-length: (\d+)", head):
            await reader.readexactly(int(length[1]))
        if method != "POST":
            status, body = (
                ("502 Bad", b"bad") if method == "PATCH" else ("200 OK", b'{"description": "something else"}')
            )
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _view(traffic: Traffic | None = None) -> RolloutView:
    view = RolloutView(1_000_000, 100, [Step(name) for name in STEPS], on_step=lambda _: None)
    view.traffic = traffic
    return view


def test_rollout_without_a_request_proves_nothing() -> None:
    assert not check_requests(_view()).holds
    assert not _view().has_passed


def test_request_that_is_unaccounted_for_proves_nothing() -> None:
    view = _view(Traffic("http://127.0.0.1", "token", 100, UUID(int=1), [], sent=2))
    assert view.traffic is not None
    view.traffic.samples[EXPAND] += [Sample(0, 0.1)]
    assert check_requests(view) == Check(
        "no request failed", holds=False, found="0 of 1 requests failed, 1 are unaccounted for"
    )
    view.traffic.samples[EXPAND] += [Sample(0, 0.1)]
    assert check_requests(view).holds


def test_figures_are_of_the_nearest_rank() -> None:
    samples = [Sample(0, number / 1000, "lost" if number == 100 else None) for number in range(1, 101)]
    assert measure(samples) == Figures(100, 1, 50.0, 99.0, 100.0)
    assert measure([]) == Figures(0, 0, 0.0, 0.0, 0.0)


def test_terminal_of_80_columns_shows_steps_replicas_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    traffic = Traffic("http://127.0.0.1", "token", 100, UUID(int=1), [])
    view = _view(traffic)
    view.replicas.append(Replica("previous 1", Release("previous", Path(), {})))
    with view.step(SEED) as seeding:
        seeding.report(1, 2)
        assert "50%" in _seen(view)
    with view.step(EXPAND):
        traffic.samples[traffic.step].append(Sample(0, 1.5, "patch: UnexpectedAnswerError 502 bad"))
        shown = _seen(view)
    assert "previous 1 starting" in shown
    (line,) = [line for line in shown.splitlines() if f"▶  {EXPAND} " in line]
    assert line.split()[-6:] == ["1", "1", "1,500", "ms", "1,500", "ms"]
    assert "1 of 1 requests failed" in shown
    with view.step(STEPS[-1]):
        assert "previous 1" in _seen(view)
    assert "previous 1" not in _seen(view)
    view.checks.append(Check("no request failed", holds=False, found="1 of 1 requests failed"))
    print_summary(view)
    assert "expand: patch: UnexpectedAnswerError 502 bad" in capsys.readouterr().out
    assert not view.has_passed


def _seen(view: RolloutView) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render(view))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    return text
