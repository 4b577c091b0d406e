"""The secrets of ENVIRONMENT=dev, generated once and kept in the data folder if none are set."""

import os
import secrets
from pathlib import Path

import msgspec

from app.core.security import new_token
from app.core.settings import AuthMode, Settings
from app.postgres.secret import Secret
from app.postgres.settings_error import SettingsError

_FILE = "local_auth_token"
_FILE_MODE = 0o600


def local_token_file(settings: Settings) -> Path:
    return settings.data_dir / _FILE


def with_secrets(settings: Settings) -> Settings:
    """Return the settings with a SECRET_KEY, and in the mode `local` with a LOCAL_AUTH_TOKEN.

    If no SECRET_KEY is set in that mode, the LOCAL_AUTH_TOKEN is the key. Raises SettingsError if a secret has to be
    generated and cannot be stored.
    """
    if settings.auth_mode is AuthMode.OIDC:
        return msgspec.structs.replace(settings, secret_key=settings.secret_key or _stored(settings, "SECRET_KEY"))
    token = settings.local_auth_token or _stored(settings, "LOCAL_AUTH_TOKEN")
    secret_key = settings.secret_key or token
    return msgspec.structs.replace(settings, local_auth_token=token, secret_key=secret_key)


def _stored(settings: Settings, variable: str) -> Secret:
    try:
        return Secret(_stored_token(local_token_file(settings)))
    except OSError as exc:
        raise SettingsError(
            variable,
            f"is not set, and {local_token_file(settings)} cannot be written ({exc.strerror})",
            "Set it, or make DATA_DIR a folder that this user may write to.",
        ) from None


def _stored_token(path: Path) -> str:
    """Return the token in the file `path`; generate it (mode 0600) at the first call. Several processes may call it.

    Raises OSError if the file can be neither read nor written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_token())
        try:
            # A link, not a rename: it fails if another process was first, and then all read that one's token.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
