"""The secrets that dev makes where it has set none: made once and kept in the data folder."""

from pathlib import Path

import msgspec

from app.core.config import AuthMode, Settings
from app.core.security import kept_token
from app.postgres.secret import Secret
from app.postgres.settings_error import SettingsError

_FILE = "local_auth_token"


def local_token_file(settings: Settings) -> Path:
    return settings.data_dir / _FILE


def with_secrets(settings: Settings) -> Settings:
    """Settings that have a SECRET_KEY, and in the mode `local` a LOCAL_AUTH_TOKEN, which is the key where none is set.

    Raises SettingsError where one is needed and none can be kept.
    """
    if settings.auth_mode is AuthMode.OIDC:
        return msgspec.structs.replace(settings, secret_key=settings.secret_key or _kept(settings, "SECRET_KEY"))
    token = settings.local_auth_token or _kept(settings, "LOCAL_AUTH_TOKEN")
    secret_key = settings.secret_key or token
    return msgspec.structs.replace(settings, local_auth_token=token, secret_key=secret_key)


def _kept(settings: Settings, variable: str) -> Secret:
    try:
        return Secret(kept_token(local_token_file(settings)))
    except OSError as exc:
        raise SettingsError(
            variable,
            f"is not set, and {local_token_file(settings)} cannot be written ({exc.strerror})",
            "Set it, or make DATA_DIR a folder that this user may write to.",
        ) from None
