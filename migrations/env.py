"""Alembic's environment: one for `alembic`, `litestar database` and start-up alike."""

from app.db.migrator_config import load_migrator_config
from app.migrator.execution.alembic_env import run_environment

run_environment(load_migrator_config)
