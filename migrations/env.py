"""Alembic's environment: one for `alembic`, `litestar database` and start-up alike."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from alembic import context

from app.db.migrations import environment
from app.models import metadata

if context.is_offline_mode():
    environment.run_offline(metadata)
else:
    environment.run_online(metadata)
