"""Filling a database with a made-up organization, in one transaction."""

import asyncio
import gc
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo.copying import copy_rows
from app.cli.demo.organization import FOUNDED_WITHIN, AgentToken, Founding
from app.cli.demo.rows import COPIED, RowBatch
from app.cli.demo.task_life import TaskLife
from app.services.callers import LOCAL_SUBJECT, sign_in_local
from app.services.user_admin import UserAdminService

# Small enough that a batch takes some 20 MB, and large enough that what it costs to begin one does not show.
_BATCH_TASKS = 5_000
_PAST = timedelta(days=400)


class SeedPlan(msgspec.Struct, frozen=True):
    """The content to make. The same `seed` makes the same, at times that are counted back from now."""

    organization: str
    boards: int
    tasks: int
    seed: int


class Seeded(msgspec.Struct):
    """The content that was made; `rows` are counts by table."""

    organization_id: UUID
    organization: str
    owner_id: UUID
    seed: int
    rows: dict[str, int]
    agents: Sequence[AgentToken]


async def find_owner(session: AsyncSession, known_as: str) -> UUID:
    """Return the id of the user with this id, subject or e-mail address; make the shared token's where there is none.

    Raises NotFoundError and BadRequestError.
    """
    if known_as == LOCAL_SUBJECT:
        return (await sign_in_local(session)).person.id
    return (await UserAdminService(session).get(known_as)).id


async def seed(session: AsyncSession, plan: SeedPlan, owner_id: UUID, report: Callable[[int], None]) -> Seeded:
    """Make the organization, its owner's active one from then on; `report` is told how many tasks are written."""
    rng = random.Random(plan.seed)  # noqa: S311 - content, and no secret
    now = datetime.now(UTC)
    founded = Founding(plan.organization, plan.boards, owner_id, now - _PAST, now, rng)
    rows: Counter[str] = Counter()
    for model, few in founded.models.items():
        session.add_all(few)
        await session.flush()
        rows[model.__tablename__] += len(few)
    session.expunge_all()
    with _without_collecting():
        written = 0
        async for batch in _made_ahead(chain([founded.events], _batches(founded, plan.tasks, now, rng))):
            for model in COPIED:
                if many := batch.rows[model]:
                    await copy_rows(session, model.__tablename__, batch.columns[model], many)
                rows[model.__tablename__] += len(many)
            written += batch.tasks
            report(written)
    # So that queries are planned for what there is now; a table that this role does not own is left out.
    await session.execute(text(f"ANALYZE {', '.join(rows)}"))
    # Last, since it locks the owner's row.
    await UserAdminService(session).activate_organization(owner_id, founded.id)
    return Seeded(founded.id, plan.organization, owner_id, plan.seed, dict(rows), founded.tokens)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Turn the garbage collector off: rows have no cycles, and it would look for them for a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _batches(founded: Founding, tasks: int, now: datetime, rng: random.Random) -> Iterator[RowBatch]:
    """Yield tasks in the order in which they were made, on all boards, some of which are busier than others."""
    begin = now - _PAST + FOUNDED_WITHIN
    shares = [*accumulate(rng.uniform(0.5, 1.5) for _ in founded.boards)]
    batch = RowBatch(founded.id)
    for number in range(tasks):
        born = begin + (now - begin) * ((number + rng.random()) / tasks)
        (generated,) = rng.choices(founded.boards, cum_weights=shares)
        TaskLife(founded, generated, born, now, rng, batch).live()
        if batch.tasks == _BATCH_TASKS or number == tasks - 1:
            yield batch
            batch = RowBatch(founded.id)


async def _made_ahead(batches: Iterator[RowBatch]) -> AsyncIterator[RowBatch]:
    """Make each batch while the server is busy with the one before."""
    ahead = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
    while (batch := await ahead) is not None:
        ahead = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
        yield batch
