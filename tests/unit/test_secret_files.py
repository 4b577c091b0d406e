"""Secrets that are given as files, as Docker and Kubernetes mount them."""

import os
from pathlib import Path

import pytest

from app.core.settings import Settings, read_settings
from app.postgres.secret import Secret
from app.postgres.settings_error import SettingsError
from tests.support.settings import GOOD_TOKEN, NO_FILE, PRODUCTION, URL, load

SECRETS = {
    "DATABASE_URL": URL,
    "MIGRATION_DATABASE_URL": URL,
    "DATABASE_REPLICA_URLS": f"{URL},{URL}2",
    "LOCAL_AUTH_TOKEN": GOOD_TOKEN,
    "SECRET_KEY": GOOD_TOKEN,
}


def problem(**environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load(**environ)
    assert "hunter2" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secret"


@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_every_secret_is_read_from_the_file_that_is_named(variable: str, end: str, file: Path) -> None:
    file.write_bytes(f"{SECRETS[variable]}{end}".encode())
    settings = load(**{f"{variable}_FILE": str(file)})
    assert settings == load(**{variable: SECRETS[variable]})
    assert settings != load()


def test_file_is_named_in_env_too_and_may_be_a_link_as_in_kubernetes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "..2026_11_30").mkdir()
    (tmp_path / "..2026_11_30" / "url").write_text(f"{URL}\n")
    (tmp_path / "..data").symlink_to("..2026_11_30")
    (tmp_path / "url").symlink_to("..data/url")
    (tmp_path / ".env").write_text("DATABASE_URL_FILE=url\n")
    monkeypatch.chdir(tmp_path)
    reading = read_settings({})
    assert reading.settings.database_url == Secret(URL)
    assert (reading.sources["database_url"], reading.secret_files) == (".env", {"database_url": Path("url")})


def test_blank_name_counts_as_unset(file: Path) -> None:
    assert load(DATABASE_URL_FILE=" ", DATABASE_URL=URL) == load(DATABASE_URL=URL)


@pytest.mark.parametrize("variable", SECRETS)
def test_secret_that_is_given_twice_is_refused(variable: str, file: Path) -> None:
    file.write_text(SECRETS[variable])
    told = problem(**{variable: SECRETS[variable], f"{variable}_FILE": str(file)})
    assert told.startswith(f"{variable} and {variable}_FILE are both set (in environment).")


def test_secret_that_is_given_in_two_places_is_refused(tmp_path: Path) -> None:
    env_file, file = tmp_path / ".env", tmp_path / "secret"
    file.write_text(URL)
    env_file.write_text(f"DATABASE_URL={URL}\n")
    with pytest.raises(SettingsError, match=r"are both set \(in \.env and environment\)"):
        Settings.load({"DATABASE_URL_FILE": str(file)}, env_file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "which is empty"),
        (b" \n", "which is empty"),
        (b"\xff\xfehunter2", "which is not UTF-8 text"),
        (b"hunter2" * 10_000, "which has more than 65536 bytes"),
    ],
)
def test_file_that_holds_no_secret_is_refused(content: bytes, says: str, file: Path) -> None:
    file.write_bytes(content)
    told = problem(DATABASE_URL_FILE=str(file))
    assert told.startswith(f"DATABASE_URL_FILE names '{file}', ")
    assert says in told


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, says in (
        ("pipe", "is a pipe or a device"),
        (".", "is a directory"),
        ("missing", "cannot be read (No such file or directory)"),
        ("missing/url", "cannot be read (No such file or directory)"),
        ("dangling", "cannot be read (No such file or directory)"),
        ("loop", "cannot be read (Too many levels of symbolic links)"),
        ("x" * 300, "cannot be read (File name too long)"),
    ):
        assert says in problem(DATABASE_URL_FILE=str(tmp_path / name))


def test_file_that_may_not_be_read_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    file.write_text(URL)
    monkeypatch.setattr(Path, "open", refuse)
    assert f"names '{file}', which cannot be read (Permission denied)" in problem(DATABASE_URL_FILE=str(file))


@pytest.mark.parametrize("misplaced", [URL, "hunter2" * 8])
def test_secret_in_place_of_the_file_s_name_is_not_shown(misplaced: str) -> None:
    assert problem(LOCAL_AUTH_TOKEN_FILE=misplaced).startswith("LOCAL_AUTH_TOKEN_FILE names a file (its name is not")


def test_file_of_two_lines_is_refused(file: Path) -> None:
    file.write_text(f"{GOOD_TOKEN}\nhunter2\n")
    assert problem(LOCAL_AUTH_TOKEN_FILE=str(file)).startswith("LOCAL_AUTH_TOKEN has more than one line")


def test_secret_whose_file_is_wrong_is_not_told_to_be_unset() -> None:
    told = problem(**{**PRODUCTION, "DATABASE_URL": "", "DATABASE_URL_FILE": "/nonexistent/url"})
    assert "is not set" not in told


def test_work_on_the_database_alone_needs_no_file_of_a_token() -> None:
    without = {**PRODUCTION, "LOCAL_AUTH_TOKEN": "", "LOCAL_AUTH_TOKEN_FILE": "/nonexistent/token"}
    assert Settings.load(without, NO_FILE, serving=False).local_auth_token is None
