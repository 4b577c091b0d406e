"""The file `.env`: what its lines may be, and what is said of one that is none of these."""

import os
from pathlib import Path

import pytest

from app.core.env_file import read_env_file
from app.core.settings import Environment, Settings, read_settings
from app.postgres.settings_error import SettingsError
from tests.support.processes import ROOT

KNOWN = {"ENVIRONMENT", "DATABASE_URL", "LOCAL_AUTH_TOKEN"}
SECRET = "hunter2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def values(file: Path, text: str, **environ: str) -> dict[str, str]:
    file.write_text(text)
    read = read_env_file(file, environ, KNOWN)
    assert read.problems == ()
    return dict(read.values)


def problems(file: Path, text: str | bytes, **environ: str) -> list[str]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = [str(problem) for problem in read_env_file(file, environ, KNOWN).problems]
    for problem in found:
        assert problem.startswith(str(file))
        assert SECRET not in problem
    return found


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("X=y", "y"),
        ("  X = y  ", "y"),
        ("export X=y", "y"),
        ("\texport\tX=y", "y"),
        ("X=", ""),
        ("X= # nothing", ""),
        ("X=a b", "a b"),
        ("X=y # why", "y"),
        ("X=y#z", "y#z"),
        ("X=#y", "#y"),
        ("X=it's", "it's"),
        ("X=y=z", "y=z"),
        ('X="y"', "y"),
        ("X='y'   # why", "y"),
        ('X="a # b"', "a # b"),
        ('X="it\'s"', "it's"),
        (r'X="a\"b\\c\n"', 'a"b\\c\n'),
        (r"X='a\'b\\c\n'", "a'b\\c\\n"),
        ('X="two\nlines"', "two\nlines"),
        (
            'X="-----BEGIN KEY-----\nQUJD+/\nQUI=\nQQ==\n-----END KEY-----"',
            "-----BEGIN KEY-----\nQUJD+/\nQUI=\nQQ==\n-----END KEY-----",
        ),
        ("X=y\r", "y"),
        ("\ufeffX=y", "y"),
        ("X=${HOME_OF}/y", "/h/y"),
        ("X=${NOBODY:-else}", "else"),
        ("X=${NOBODY:-}", ""),
        ("X=a\nX=b", "b"),
        ("X=$HOME_OF", "$HOME_OF"),
        ("X=-e ENVIRONMENT=test", "-e ENVIRONMENT=test"),
    ],
)
def test_assignment_has_its_value(file: Path, line: str, value: str) -> None:
    text = f"# a comment\n\n   \n{line}\n  # another"
    if line.startswith("\ufeff"):
        text = f"{line}\n"
    assert values(file, text, HOME_OF="/h") == {"X": value}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('ENVIRONMENT="production', "quotation mark for ENVIRONMENT and does not close"),
        ("ENVIRONMENT='production", "quotation mark for ENVIRONMENT and does not close"),
        ('ENVIRONMENT="production\\"', "quotation mark for ENVIRONMENT and does not close"),
        (f'LOCAL_AUTH_TOKEN="{SECRET}', "quotation mark for LOCAL_AUTH_TOKEN and does not close"),
        (f'DATABASE_URL="postgres://u:{SECRET}@h/d" x', "behind the closing quotation mark of DATABASE_URL"),
        (f'DATABASE_URL="postgres://u:"{SECRET}"@h/d"', "behind the closing quotation mark of DATABASE_URL"),
        ("ENVIRONMENT: production", "nor an assignment"),
        ("ENVIRONMENT production", "nor an assignment"),
        ("ENVIRONMENT", "nor an assignment"),
        ("export ENVIRONMENT", "nor an assignment"),
        ("set ENVIRONMENT=production", "nor an assignment"),
        ('$env:ENVIRONMENT = "production"', "nor an assignment"),
        ("- ENVIRONMENT=production", "nor an assignment"),
        ('"ENVIRONMENT"="production"', "nor an assignment"),
        ('{"ENVIRONMENT": "production"}', "nor an assignment"),
        ("[production]", "nor an assignment"),
        ("; a comment", "nor an assignment"),
        ("=production", "nor an assignment"),
        (SECRET, "nor an assignment"),
        ("E\0N\0V\0=\0x", "nor an assignment"),
        ("\u0415NVIRONMENT=production", "nor an assignment"),
        ("\u200bENVIRONMENT=production", "nor an assignment"),
    ],
)
def test_line_that_is_nothing_else_is_a_problem_with_its_number(file: Path, line: str, says: str) -> None:
    (found,) = problems(file, f"# first\nX=1\n{line}\nY=2\n")
    assert found.startswith(f"{file}, line 3, ")
    assert says in found


def test_each_such_line_is_told(file: Path) -> None:
    found = problems(file, 'ENVIRONMENT="production\nDATABASE_URL="postgres://u:hunter2@h/d"\nnothing\n')
    assert [problem.split(", line ")[1][0] for problem in found] == ["1", "3"]


def test_quotation_mark_that_is_closed_behind_another_assignment_is_a_problem(file: Path) -> None:
    (found,) = problems(file, 'LOCAL_AUTH_TOKEN="abc\n# next\nexport ENVIRONMENT=production\nX="\n')
    assert found.startswith(f"{file}, line 1, opens a quotation mark for LOCAL_AUTH_TOKEN")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ENVIRONMENT=production\nX=1\nENVIRONMENT=dev", "line 3, sets ENVIRONMENT to another value than line 1"),
        (
            "export LOCAL_AUTH_TOKEN=hunter2 ENVIRONMENT=production",
            "sets ENVIRONMENT within the value of LOCAL_AUTH_TOKEN",
        ),
        ('LOCAL_AUTH_TOKEN="hunter2 ENVIRONMENT=production"', "sets ENVIRONMENT within the value of LOCAL_AUTH_TOKEN"),
        ("ENVIRONMENT=${DEPLOY_ENV}", "line 1, refers to DEPLOY_ENV for ENVIRONMENT, which is not set"),
        ("DATABASE_URL=postgres://u:a${hunter2}b@h/d", "line 1, refers to a variable for DATABASE_URL"),
    ],
)
def test_setting_has_one_value_and_refers_to_what_is_set(file: Path, text: str, problem: str) -> None:
    (found,) = problems(file, text)
    assert problem in found


def test_setting_may_be_said_twice_alike_and_blank_before_it_is_said(file: Path) -> None:
    text = "ENVIRONMENT=\nENVIRONMENT=test\nENVIRONMENT='test'\nENVIRONMENT=\nX=${NOBODY}"
    assert values(file, text) == {"ENVIRONMENT": "test", "X": ""}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encoding_is_a_problem(file: Path, encoding: str) -> None:
    (found,) = problems(file, "# Küche\nENVIRONMENT=production\n".encode(encoding))
    assert "cannot be read: it is not UTF-8 text" in found


def test_directory_is_a_problem_unless_it_is_a_virtual_environment(file: Path) -> None:
    file.mkdir()
    (problem,) = read_env_file(file, {}, KNOWN).problems
    assert f"{file} cannot be read: it is a directory" in str(problem)
    (file / "pyvenv.cfg").touch()
    assert read_env_file(file, {}, KNOWN) == ({}, ())


def test_link_that_leads_nowhere_is_a_problem_and_no_file_is_none(file: Path) -> None:
    assert read_env_file(file, {}, KNOWN) == ({}, ())
    file.symlink_to(file.with_name("elsewhere"))
    assert "No such file" in str(read_env_file(file, {}, KNOWN).problems)


def test_file_that_may_not_be_read_is_a_problem(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    file.touch()
    monkeypatch.setattr(Path, "open", refuse)
    assert f"{file} cannot be read: Permission denied." in str(read_env_file(file, {}, KNOWN).problems)


def test_device_is_read_to_a_limit(file: Path) -> None:
    file.symlink_to("/dev/zero")
    assert "more than 262144 bytes" in str(read_env_file(file, {}, KNOWN).problems)
    file.unlink()
    file.symlink_to(os.devnull)
    assert read_env_file(file, {}, KNOWN) == ({}, ())


def test_settings_end_with_all_problems_and_say_nothing_of_what_the_file_may_hold(file: Path) -> None:
    file.write_text('DATABASE_URL="postgres://u:hunter2@h/d\nDB_POOL_SIZE=ten\n')
    with pytest.raises(SettingsError) as raised:
        Settings.load({"ENVIRONMENT": "production"}, file)
    told = str(raised.value).splitlines()
    assert [line.split(" ")[0] for line in told] == ["2", f"{file},", "DB_POOL_SIZE"]
    assert not read_settings({}, file).is_complete


def test_line_break_in_a_setting_hides_what_follows(file: Path) -> None:
    file.write_text('ENVIRONMENT="production\nhunter2"\nLOCAL_AUTH_TOKEN="x\nhunter2"\n')
    with pytest.raises(SettingsError) as raised:
        Settings.load({}, file)
    assert "ENVIRONMENT is 'production'" in str(raised.value)
    assert "LOCAL_AUTH_TOKEN has more than one line" in str(raised.value)
    assert SECRET not in str(raised.value)


def test_file_that_is_read_decides_of_the_environment(file: Path) -> None:
    file.write_text(
        'export ENVIRONMENT="test" # as CI\nDATABASE_URL=postgres://h/d\nLOCAL_AUTH_TOKEN='
        + "aB3-" * 12
        + "0123456789\n"
    )
    assert Settings.load({}, file).environment is Environment.TEST


def test_no_dependency_has_the_command_line_read_another_file() -> None:
    """Litestar's does so where python-dotenv is installed, past all that is said here."""
    assert "python-dotenv" not in (ROOT / "requirements.txt").read_text()
