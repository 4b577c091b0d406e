"""Tags."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from app.core.paging import Slice, Window
from app.models import Tag, TaskTag
from app.repositories.base import Repository
from app.repositories.boards import SlugTakenError
from app.repositories.constraints import translating
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("tags", Tag, sortable=("updated_at", "name"))


class TagRepository(Repository[Tag]):
    model_type = Tag

    async def store(self, tag: Tag) -> Tag:
        """Raises SlugTakenError."""
        with translating("uq_tags_organization_id_slug", SlugTakenError):
            self.session.add(tag)
            await self.session.flush()
        return tag

    async def page(self, organization_id: UUID, window: Window) -> Slice:
        statement = select(Tag).where(Tag.organization_id == organization_id)
        return await read_slice(self.session, statement, _ORDER, window)

    async def of_organization(self, organization_id: UUID) -> Sequence[Tag]:
        """All of them, by name."""
        statement = select(Tag).where(Tag.organization_id == organization_id).order_by(Tag.name, Tag.id)
        return (await self.session.scalars(statement)).all()

    async def find(self, organization_id: UUID, tag_id: UUID) -> Tag | None:
        statement = select(Tag).where(Tag.organization_id == organization_id, Tag.id == tag_id)
        return (await self.session.scalars(statement)).one_or_none()

    async def known(self, organization_id: UUID, tag_ids: Sequence[UUID]) -> set[UUID]:
        """Those of the ids that are tags of this organization."""
        statement = select(Tag.id).where(Tag.organization_id == organization_id, Tag.id.in_(tag_ids))
        return set((await self.session.scalars(statement)).all())

    async def task_counts(self, tag_ids: Sequence[UUID]) -> dict[UUID, int]:
        """How many tasks have each of these tags; a tag without any is left out."""
        statement = select(TaskTag.tag_id, func.count()).where(TaskTag.tag_id.in_(tag_ids)).group_by(TaskTag.tag_id)
        return {row[0]: row[1] for row in await self.session.execute(statement)}
