"""The settings of this process, including what `app.core` cannot check alone: it cannot parse a database's URL."""

from collections.abc import Iterator

import structlog

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.core.tracing import tracing_problems
from app.db.replicas.selection import replica_urls
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import normalize_database_url

log = structlog.stdlib.get_logger(__name__)


def load_settings(*, serving: bool = True) -> Settings:
    """Return the settings of this process, and configure logging by them.

    Without `serving`, the settings of the sign-in may be missing. Raises SettingsError, which names every mistake.
    """
    settings = Settings.load(serving=serving, further_checks=further_problems)
    configure_logging(settings)
    for name, meant in settings.misspelt:
        log.warning("a variable is set that is no setting, and is not read", variable=name, meant=meant)
    for name in settings.not_read:
        log.warning("a variable in .env is another program's, which reads the environment alone", variable=name)
    return settings


def further_problems(settings: Settings) -> Iterator[SettingsError]:
    """Yield an error for each setting that cannot be used here."""
    yield from url_problems(settings)
    yield from tracing_problems(settings)


def url_problems(settings: Settings) -> Iterator[SettingsError]:
    """Yield an error for each variable that holds a wrong URL."""
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
        # The check of the replicas also reads the primary's URL, whose error is there already.
        if exc.variable not in wrong:
            yield exc
