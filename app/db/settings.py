"""The settings of this process, with what is wrong in their URLs, which `app.core` does not read."""

from collections.abc import Iterator

import structlog

from app.core.config import Settings
from app.core.logging import configure_logging
from app.db.replicas.selection import replica_urls
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import normalize_database_url

log = structlog.stdlib.get_logger(__name__)


def load_settings(*, serving: bool = True) -> Settings:
    """Return the settings of this process, which from then on logs as they say.

    Without `serving` what lets people in may be missing. Raises SettingsError, which names all that is wrong.
    """
    settings = Settings.load(serving=serving, further=wrong_urls)
    configure_logging(settings)
    for name, meant in settings.misspelt:
        log.warning("a variable is set that is no setting, and is not read", variable=name, meant=meant)
    for name in settings.not_read:
        log.warning("a variable in .env is another program's, which reads the environment alone", variable=name)
    return settings


def wrong_urls(settings: Settings) -> Iterator[SettingsError]:
    """Yield what is wrong with each of the variables that hold URLs."""
    wrong = set()
    for variable, held in (
        ("DATABASE_URL", settings.database_url),
        ("MIGRATION_DATABASE_URL", settings.migration_database_url),
    ):
        try:
            if held is not None:
                normalize_database_url(held.reveal(), variable)
        except SettingsError as exc:
            wrong.add(variable)
            yield exc
    try:
        replica_urls(settings)
    except SettingsError as exc:
        # Replicas depend on the primary's URL.
        if exc.variable not in wrong:
            yield exc
