"""The token of AUTH_MODE=local where dev has set none: made once and kept in the data folder."""

from pathlib import Path

import msgspec

from app.core.config import Secret, Settings
from app.core.errors import SettingsError
from app.core.security import kept_token

_FILE = "local_auth_token"


def local_token_file(settings: Settings) -> Path:
    return settings.data_dir / _FILE


def with_local_token(settings: Settings) -> Settings:
    """Settings that have a token. Raises SettingsError where none is set and none can be kept."""
    if settings.local_auth_token is not None:
        return settings
    try:
        token = kept_token(local_token_file(settings))
    except OSError as exc:
        raise SettingsError(
            "LOCAL_AUTH_TOKEN",
            f"is not set, and {local_token_file(settings)} cannot be written ({exc.strerror})",
            "Set it, or make DATA_DIR a folder that this user may write to.",
        ) from None
    return msgspec.structs.replace(settings, local_auth_token=Secret(token))
