"""Settings: where they come from, what they may hold, and what a wrong one says."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.core.setting_sources import Source
from app.core.settings import Environment, LogFormat, Settings, read_settings
from app.postgres.settings_error import SettingsError
from tests.support.processes import ROOT
from tests.support.settings import GOOD_TOKEN, NO_FILE, PRODUCTION, URL, load


def in_every_case(*words: str) -> list[str]:
    return [form for word in words for form in sorted({word, word.upper(), word.capitalize(), f" {word} "})]


@pytest.mark.parametrize("text", in_every_case("true", "1", "yes", "on", "t", "y"))
def test_every_form_of_true(text: str) -> None:
    assert load(**PRODUCTION, DB_AUTO_MIGRATE=text).db_auto_migrate is True


@pytest.mark.parametrize("text", in_every_case("false", "0", "no", "off", "f", "n"))
def test_every_form_of_false(text: str) -> None:
    assert load(DB_AUTO_MIGRATE=text).db_auto_migrate is False


def test_auto_migration_is_on_in_dev_alone_when_nobody_says() -> None:
    assert load().db_auto_migrate is True
    assert load(ENVIRONMENT="dev").db_auto_migrate is True
    assert load(**PRODUCTION).db_auto_migrate is False
    for blank in ("", "  "):
        assert load(DB_AUTO_MIGRATE=blank).db_auto_migrate is True
        assert load(**PRODUCTION, DB_AUTO_MIGRATE=blank).db_auto_migrate is False


def test_what_the_file_says_of_auto_migration_counts_as_said(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DB_AUTO_MIGRATE=off\n")
    assert Settings.load({}, file).db_auto_migrate is False
    assert Settings.load({"DB_AUTO_MIGRATE": ""}, file).db_auto_migrate is False, "blank falls through to the file"
    assert Settings.load({"DB_AUTO_MIGRATE": "on"}, file).db_auto_migrate is True, "the environment wins"


def test_the_environment_wins_over_the_file_for_every_setting(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"ENVIRONMENT=staging\nDATABASE_URL={URL}/file\nLOCAL_AUTH_TOKEN='{GOOD_TOKEN}'\nDB_POOL_SIZE=3\n")
    settings = Settings.load({"DATABASE_URL": URL, "DB_POOL_SIZE": "7", "DB_MAX_OVERFLOW": "2"}, file)
    assert settings.environment is Environment.STAGING
    assert settings.database_url is not None
    assert settings.database_url.reveal() == URL
    assert settings.db_pool_size == 7
    assert settings.request_limit == 3 * (7 + 2)


def test_the_file_of_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DB_POOL_SIZE=3\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.load({}).db_pool_size == 3


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"DATABASE_URL=\xff\xfe")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        Settings.load({}, file)


def test_settings_are_immutable() -> None:
    with pytest.raises(AttributeError):
        load().db_pool_size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "held", "allowed"),
    [
        ("ENVIRONMENT", "prod", "dev, test, staging, production"),
        ("DB_AUTO_MIGRATE", "maybe", "true/1/yes/on"),
        ("DB_AUTO_MIGRATE", "2", "true/1/yes/on"),
        ("DB_POOL_SIZE", "0", "1 to 1000"),
        ("DB_POOL_SIZE", "ten", "1 to 1000"),
        ("DB_POOL_SIZE", "1e3", "1 to 1000"),
        ("MAX_CONCURRENT_REQUESTS", "0", "1 to 100000"),
        ("DB_MAX_OVERFLOW", "-1", "0 to 1000"),
        ("DB_POOL_RECYCLE", "9" * 5000, "-1 to 86400"),
        ("DB_POOL_TIMEOUT", "nan", "0.1 to 3600"),
        ("DB_CONNECT_TIMEOUT", "inf", "0.1 to 3600"),
        ("DB_CONNECT_TIMEOUT", "0", "0.1 to 3600"),
        ("AUTH_MODE", "none", "local, oidc"),
        ("OIDC_ISSUER", "login.example.com", "https://"),
        ("OIDC_ISSUER", "http://login.example.com", "https://"),
        ("OIDC_ISSUER", "http://localhost.example.com", "https://"),
        ("OIDC_ISSUER", "https://login.example.com?tenant=x", "https://"),
        ("OIDC_ALGORITHMS", "HS256", "RS256"),
        ("OIDC_ALGORITHMS", "RS256,none", "RS256"),
        ("OIDC_ALGORITHMS", ",", "RS256"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy", "10.0.0.0/8, ::1"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8, ::1"),
        ("CORS_ALLOWED_ORIGINS", "app.example.com", "https://app.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com/", "without a path"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.com", "* alone"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com, *", "* alone"),
        ("CORS_ALLOWED_ORIGINS", "null", "https://app.example.com"),
        ("API_COMPATIBILITY", "clerk", "one of: mission-control"),
        ("HSTS_MAX_AGE", "-1", "0 to 63072000"),
        ("PUBLIC_BASE_URL", "plimsoll.example.com", "https://plimsoll.example.com"),
        ("PUBLIC_BASE_URL", "https://a.example?x", "https://plimsoll.example.com"),
        ("LOG_LEVEL", "loud", "DEBUG"),
        ("LOG_FORMAT", "xml", "console, json"),
    ],
)
def test_wrong_setting_names_the_variable_what_it_held_and_what_it_may_hold(
    variable: str, held: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{variable: held})
    message = str(caught.value)
    assert message.startswith(variable)
    assert repr(held)[:40] in message
    assert allowed in message
    assert len(message) < 400


@pytest.mark.parametrize("environment", ["test", "staging", "production"])
def test_outside_dev_the_database_url_is_required(environment: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        load(ENVIRONMENT=environment, LOCAL_AUTH_TOKEN=GOOD_TOKEN)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "is not set"),
        ("s" * 49, "has 49 characters"),
        ("change-me-" + GOOD_TOKEN, "is a placeholder"),
        ("your-token-goes-here-" + GOOD_TOKEN, "is a placeholder"),
        ("x" * 60, "is a placeholder"),
    ],
)
def test_outside_dev_the_local_token_is_long_and_no_placeholder(token: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        load(**{**PRODUCTION, "LOCAL_AUTH_TOKEN": token})
    assert str(caught.value).startswith("LOCAL_AUTH_TOKEN")
    assert GOOD_TOKEN not in str(caught.value)


OIDC = {"AUTH_MODE": "oidc", "OIDC_ISSUER": "https://login.example.com/", "OIDC_AUDIENCE": "plimsoll, other"}


@pytest.mark.parametrize("variable", ["OIDC_ISSUER", "OIDC_AUDIENCE"])
def test_issuer_and_audience_are_required_where_its_tokens_are_to_let_in(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is not set, and AUTH_MODE is oidc"):
        load(**{**OIDC, variable: ""})
    assert Settings.load({**OIDC, variable: ""}, NO_FILE, serving=False)


def test_outside_dev_an_issuer_goes_with_a_secret_key_and_needs_no_local_token() -> None:
    without = {**PRODUCTION, **OIDC, "LOCAL_AUTH_TOKEN": ""}
    with pytest.raises(SettingsError, match="SECRET_KEY is not set, and ENVIRONMENT is production"):
        load(**without)
    with pytest.raises(SettingsError, match="SECRET_KEY has 5 characters"):
        load(**without, SECRET_KEY="short")
    settings = load(**without, SECRET_KEY=GOOD_TOKEN)
    assert (settings.oidc_issuer, settings.oidc_audience) == ("https://login.example.com/", ("plimsoll", "other"))
    assert settings.oidc_algorithms == ("RS256", "ES256")


@pytest.mark.parametrize("url", ["http://localhost:8080/realms/crew", "http://127.0.0.1", "http://[::1]:1"])
def test_issuer_on_this_machine_needs_no_tls(url: str) -> None:
    assert load(OIDC_ISSUER=url).oidc_issuer == url


def test_in_dev_any_token_will_do() -> None:
    assert load(LOCAL_AUTH_TOKEN="short").local_auth_token is not None


def test_no_form_of_the_settings_shows_a_secret() -> None:
    settings = load(**PRODUCTION)
    forms = [repr(settings), str(settings), f"{settings.database_url}", repr(msgspec.structs.asdict(settings))]
    for form, secret in itertools.product(forms, ("hunter2", GOOD_TOKEN)):
        assert secret not in form


def test_logs_are_readable_in_dev_and_json_elsewhere() -> None:
    assert load().log_format is LogFormat.CONSOLE
    assert load(**PRODUCTION).log_format is LogFormat.JSON
    assert load(**PRODUCTION, LOG_FORMAT="console").log_format is LogFormat.CONSOLE


def test_requests_are_logged_in_dev_and_elsewhere_where_that_is_asked_for() -> None:
    assert load().log_requests
    assert not load(**PRODUCTION).log_requests
    assert load(**PRODUCTION, LOG_REQUESTS="yes").log_requests


def test_reading_tells_everything_that_is_wrong_and_where_the_rest_came_from(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DB_POOL_SIZE=3\nDB_MAX_OVERFLOW=3\n")
    environ = {"ENVIRONMENT": "production", "DB_AUTO_MIGRATE": "maybe", "DB_MAX_OVERFLOW": "5", "LOG_FORMAT": " "}
    reading = read_settings(environ, file)
    assert [problem.variable for problem in reading.problems] == ["DB_AUTO_MIGRATE", "DATABASE_URL", "LOCAL_AUTH_TOKEN"]
    assert reading.settings.db_auto_migrate is False
    sources = [reading.sources[field] for field in ("db_pool_size", "db_max_overflow", "log_format")]
    assert sources == [Source.FILE, Source.ENVIRONMENT, Source.DEFAULT]


def test_work_on_the_database_alone_needs_no_token_but_the_rest() -> None:
    without = {**PRODUCTION, "LOCAL_AUTH_TOKEN": ""}
    assert Settings.load(without, NO_FILE, serving=False).local_auth_token is None
    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        Settings.load({**without, "DATABASE_URL": ""}, NO_FILE, serving=False)


@pytest.mark.parametrize(
    "held", ["x\nhunter2", "production LOCAL_AUTH_TOKEN=hunter2", "postgres://u:hunter2@h/d", "x" * 80]
)
def test_wrong_setting_does_not_show_what_may_be_a_secret(held: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(ENVIRONMENT=held)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_all_that_is_wrong_is_told_at_once_and_nothing_twice() -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{**PRODUCTION, **OIDC, "DB_POOL_SIZE": "ten", "OIDC_ISSUER": "nowhere", "LOG_LEVEL": "loud"})
    count, *told = str(caught.value).splitlines()
    assert count == "4 settings are wrong."
    assert [line.split(" ")[0] for line in told] == ["DB_POOL_SIZE", "OIDC_ISSUER", "LOG_LEVEL", "SECRET_KEY"]


def documented_settings() -> Iterator[tuple[list[str], str]]:
    """The names and the default in each row of the table of settings."""
    page = (ROOT / "migrations" / "docs" / "settings.md").read_text()
    for names, default in re.findall(r"^\| (`[A-Z].*?) \| (.*?) ?\| ", page, re.MULTILINE):
        yield names.replace("`", "").split(", "), default


def documented_defaults() -> tuple[dict[str, str], dict[str, str]]:
    """The defaults that are a value: in dev, and elsewhere."""
    in_dev, elsewhere = {}, {}
    for names, default in documented_settings():
        if by_environment := re.fullmatch(r"`(\w+)` in dev, else `(\w+)`", default):
            (name,) = names
            in_dev[name], elsewhere[name] = by_environment.groups()
        elif re.fullmatch(r"`[^`]+`(, `[^`]+`)*", default) and default != "`DATABASE_URL`":
            values = dict(zip(names, default.replace("`", "").split(", "), strict=True))
            in_dev |= values
            elsewhere |= values
    return in_dev, elsewhere


def test_page_of_settings_has_every_setting_with_its_default() -> None:
    documented = list(itertools.chain(*(names for names, _ in documented_settings())))
    assert sorted(documented) == sorted(
        field.upper() for field in Settings.__struct_fields__ if field not in {"misspelt", "not_read"}
    )
    in_dev, elsewhere = documented_defaults()
    assert len(in_dev) > len(documented) / 2
    assert load(**in_dev) == load()
    assert load(**elsewhere | PRODUCTION) == load(**PRODUCTION)


def test_example_file_can_be_read_and_has_every_setting_with_its_default(tmp_path: Path) -> None:
    lines = re.findall(r"^#(\w+=.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    file = tmp_path / ".env"
    file.write_text("\n".join(lines))
    assert Settings.load({}, file).misspelt == ()
    example = dict(line.split("=", 1) for line in lines)
    assert [*example] == list(itertools.chain(*(names for names, _ in documented_settings())))
    in_dev, _ = documented_defaults()
    assert {name: example[name] for name in in_dev} == in_dev
