"""Alembic's environment: one for `alembic`, `litestar database` and start-up alike."""

from app.db.migrator import load_migrator_config
from app.migrator.execution.environment import run_environment

run_environment(load_migrator_config)
