"""Variables that are almost a setting, and those that only look a little like one."""

from pathlib import Path

import pytest

from app.core.settings import Settings
from app.postgres.settings_error import SettingsError
from tests.support.settings import PRODUCTION, load

MISSPELT = {
    "DATABASE_URL": "DATABSE_URL DATABASE_URI DATABSE_URI DATABASE_UR ATABASE_URL DATABASE_URLS DATA_BASE_URL"
    " DATABASEURL database_url DATABASE-URL",
    "DATABASE_URL_FILE": "DATABSE_URL_FILE DATABASE_URL_FLIE",
    "ENVIRONMENT": "ENVIROMENT ENVIORNMENT ENVIRONMNET NVIRONMENT ENVIRONMENTS ENVIRMENT environment",
    "LOCAL_AUTH_TOKEN": "LOCAL_AUTH_TOKE LOCL_AUTH_TOKEN LOCAL_AUTHTOKEN LOCAL_AUTH_TOKENS",
    "SECRET_KEY": "SECRT_KEY SECRETKEY SECRET_KEYS",
    "MIGRATION_DATABASE_URL": "MIGRATION_DATABASE_URI MIGRATIONS_DATABASE_URL",
    "DATABASE_REPLICA_URLS": "DATABASE_REPLICA_URL DATABASE_REPLICAS_URL",
    "DB_AUTO_MIGRATE": "DB_AUTOMIGRATE db_auto_migrate",
    "DB_AUTO_MIGRATE_PHASE": "DB_AUTO_MIGRATE_PHASES",
    "DB_CONNECT_TIMEOUT": "DB_CONNECTION_TIMEOUT",
    "DB_MIGRATE_LOCK_RETRIES": "DB_MIGRATE_LOCK_RETRY",
    "DB_POOL_SIZE": "DB_POOLSIZE DB_POLL_SIZE",
    "TRUSTED_PROXIES": "TRUSTED_PROXY",
    "CORS_ALLOWED_ORIGINS": "CORS_ALLOWED_ORIGIN CORS_ALLOW_ORIGINS",
    "OIDC_ISSUER": "OIDC_ISUER OIDC_ISSUER_FILE",
    "AUTH_MODE": "AUTH_MOD",
    "LOG_LEVEL": "LOG_LEVL LOG_LEVELS",
    "DATA_DIR": "DATA_DRI DATADIR",
    "PUBLIC_BASE_URL": "PUBLIC_BASE_URI",
}
OF_OTHERS = {
    "databases": "DATABASE_NAME DATABASE_USER DATABASE_HOST DATABASE_PASSWORD DATABASE_SSL DATABASE_UID DATABASE_DIR"
    " DATABASE_SCHEMA DATABASE_PUBLIC_URL DATABASE_PRIVATE_URL DATABASE_URL_UNPOOLED DATABASE_CONNECTION_POOL_URL"
    " TEST_DATABASE_URL POSTGRES_URL POSTGRES_USER POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE POSTGRES_DB DIRECT_URL"
    " SHADOW_DATABASE_URL DB_HOST DB_NAME DB_PORT DB_USER DB_USERNAME DB_PASSWORD DB_PASS DB_DATABASE DB_CONNECTION"
    " DB_URL DB_SSLMODE DB_POOL",
    "services named database and db": "DATABASE_PORT DATABASE_SERVICE_HOST DATABASE_SERVICE_PORT DATABASE_PORT_5432_TCP"
    " DATABASE_PORT_5432_TCP_ADDR DB_PORT_5432_TCP DB_SERVICE_HOST KUBERNETES_PORT KUBERNETES_SERVICE_HOST",
    "hosting": "HEROKU_POSTGRESQL_GREEN_URL HEROKU_APP_NAME DYNO PORT WEB_CONCURRENCY REDIS_URL GITHUB_TOKEN GITHUB_ENV"
    " GITHUB_ACTIONS GITHUB_REF AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN"
    " AWS_LAMBDA_LOG_GROUP_NAME RAILWAY_ENVIRONMENT ASPNETCORE_ENVIRONMENT CI_ENVIRONMENT_NAME AWS_ENVIRONMENT",
    "PostgreSQL": "PGHOST PGUSER PGPASSWORD PGPASSFILE PGSSLMODE PGDATA PG_CONFIG PG_DATA PG_HOST PG_LIB_DIR PG_MAJOR"
    " PG_VERSION",
    "desktops and shells": "DATA_DIRS DATA_HOME DATA_PATH XDG_DATA_DIRS XDG_DATA_HOME XDG_CONFIG_DIRS XDG_RUNTIME_DIR"
    " BASE_DIR TMPDIR PATH HOME LANG TERM TZ HOSTNAME SSL_CERT_FILE HTTP_PROXY NO_PROXY LOGNAME",
    "other applications": "LOG_FILE LOG_DIR LOG_PATH LOG_GROUP LOG_STREAM LOG_LABEL LOG_FORMATTER LOGGING_LEVEL"
    " AUTH_TOKEN AUTH_CODE AUTH_KEY AUTH_TYPE LOCAL_TOKEN SECRET SECRET_ID SECRET_NAME SECRET_TOKEN SECRET_KEY_BASE"
    " APP_SECRET_KEY DJANGO_SECRET_KEY ENV APP_ENV NODE_ENV RAILS_ENV GO_ENV VIRTUAL_ENV ENVIRON ENVIRONMENT_NAME"
    " ENVIRONMENT_ID MY_ENVIRONMENT X_ENVIRONMENT APP_ENVIRONMENT TRUSTED_HOSTS CORS_ORIGINS CORS_ALLOWED_HEADERS"
    " OIDC_CLIENT_ID OIDC_CLIENT_SECRET OIDC_SCOPE REQUEST_TIMEOUT MAX_REQUESTS PUBLIC_URL BASE_URL",
}


@pytest.mark.parametrize(
    ("name", "meant"), [(name, meant) for meant, names in MISSPELT.items() for name in names.split()]
)
def test_misspelt_variable_is_told_with_the_setting_that_is_meant(name: str, meant: str, tmp_path: Path) -> None:
    assert load(**{name: "dev"}).misspelt == ((name, meant),)
    (tmp_path / ".env").write_text(f"{name}=dev\n")
    assert Settings.load({}, tmp_path / ".env").misspelt == ((name, meant),)


@pytest.mark.parametrize("name", " ".join(OF_OTHERS.values()).split())
def test_variables_of_others_are_not_called_misspelt(name: str) -> None:
    assert load(**{name: "x"}).misspelt == ()
    assert load(**PRODUCTION, **{name: "x"})


def test_settings_and_blank_variables_are_not_called_misspelt() -> None:
    assert load(**PRODUCTION, DB_POOL_SIZE="3", DB_POOLSIZE=" ").misspelt == ()


@pytest.mark.parametrize("name", ["DATABSE_URL", "DATABASE_URLS", "DATABSE_URL_FILE", "ENVIROMENT", "environment"])
def test_outside_dev_what_decides_of_the_database_is_not_misspelt(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(**PRODUCTION, **{name: "hunter2"})
    assert str(raised.value).startswith(f"{name} is set, and is no setting. Is {name.upper()[:4]}")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("name", ["LOCAL_AUTH_TOKE", "DB_POOLSIZE", "ENVIRONMENT_FILE"])
def test_outside_dev_what_decides_of_less_is_told_and_no_error(name: str) -> None:
    assert len(load(**PRODUCTION, **{name: "x"}).misspelt) == 1


def test_same_value_under_another_name_is_no_error() -> None:
    assert load(**PRODUCTION, DATABASE_URI=PRODUCTION["DATABASE_URL"]).misspelt


@pytest.mark.parametrize("value", ["production", "staging", "prod", "Production "])
def test_misspelt_environment_does_not_start_as_dev_what_is_not(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^ENVIROMENT is set, and is no setting. Is ENVIRONMENT meant\?"):
        load(ENVIROMENT=value)


@pytest.mark.parametrize("value", ["dev", "test", " Dev"])
def test_misspelt_environment_that_guards_nothing_is_told(value: str) -> None:
    assert load(ENVIROMENT=value).misspelt == (("ENVIROMENT", "ENVIRONMENT"),)


def test_what_other_programs_do_not_find_in_the_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PGSSLMODE=verify-full\nPGPASSWORD=x\nLITESTAR_PORT=9\nPGADMIN_DEFAULT_EMAIL=a@b\nPGDATA=/d\n")
    assert Settings.load({"PGPASSWORD": "x"}, file).not_read == ("LITESTAR_PORT", "PGSSLMODE")
