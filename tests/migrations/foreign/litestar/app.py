"""A Litestar application with Advanced Alchemy's plugin, and the engine's if SAFE is set."""

import os

from advanced_alchemy.base import UUIDBase
from advanced_alchemy.extensions.litestar import AlembicAsyncConfig, SQLAlchemyAsyncConfig, SQLAlchemyPlugin
from litestar import Litestar, get
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column


class Book(UUIDBase):
    __tablename__ = "book"

    title: Mapped[str] = mapped_column(index=True)


@get("/")
async def count(db_session: AsyncSession) -> int:
    return await db_session.scalar(select(func.count()).select_from(Book))


def plugins():
    yield SQLAlchemyPlugin(
        SQLAlchemyAsyncConfig(
            connection_string=os.environ["DATABASE_URL"],
            alembic_config=AlembicAsyncConfig(script_location="migrations", script_config="alembic.ini"),
        )
    )
    if os.environ.get("SAFE"):
        from plimsoll_migrator import MigratorPlugin, Phase

        yield MigratorPlugin(at_start=Phase.CONTRACT)


app = Litestar([count], plugins=list(plugins()))
