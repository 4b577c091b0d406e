"""A start of the application, with what it logs."""

from structlog.testing import capture_logs

from app.db.startup_policy import init_db
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for


async def start(url: str, *, auto_migrate: bool) -> list[str]:
    """Applies the policy; returns the warnings."""
    with capture_logs() as logs:
        await init_db(settings_for(url, db_auto_migrate=auto_migrate), normalize_database_url(url))
    return [f"{entry['event']} {entry}" for entry in logs if entry["log_level"] in {"warning", "error"}]
