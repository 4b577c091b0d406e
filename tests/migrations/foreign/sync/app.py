"""What the project does when it starts: the schema first, then its own engine."""

import os
from pathlib import Path

from plimsoll_migrator import read_config, upgrade
from sqlalchemy import create_engine, text

upgrade(read_config(Path(__file__).with_name("alembic.ini")))
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    print("heroes:", connection.scalar(text("SELECT count(*) FROM hero")))
