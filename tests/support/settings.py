"""Settings as tests give them."""

from pathlib import Path

from app.core.settings import Settings

GOOD_TOKEN = "kX7vQ2mN9pL4sW8tB3yH6jF1cR5gD0zAeUiOxVwMnPqSrTuY"
GOOD_TOKEN += "aB"
URL = "postgresql://u:hunter2@db/plimsoll"
PRODUCTION = {"ENVIRONMENT": "production", "DATABASE_URL": URL, "LOCAL_AUTH_TOKEN": GOOD_TOKEN}
NO_FILE = Path("/nonexistent/.env")


def load(**environ: str) -> Settings:
    return Settings.load(environ, NO_FILE)
