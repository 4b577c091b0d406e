"""Alembic's environment: one for `alembic`, `litestar database` and start-up alike."""

from alembic import context

from app.migrator.execution import environment
from app.models import metadata

if context.is_offline_mode():
    environment.run_offline(metadata)
else:
    environment.run_online(metadata)
