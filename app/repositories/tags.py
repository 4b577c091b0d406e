"""Tags."""

from collections.abc import Collection, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, select

from app.core.pagination import Slice, Window
from app.models import Tag, TaskTag
from app.repositories.base import ConstraintErrors, Repository
from app.repositories.boards import SlugTakenError
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("tags", Tag, sortable=("updated_at", "name"))


class TagRepository(Repository[Tag]):
    model_type = Tag
    constraint_errors: ClassVar[ConstraintErrors] = {"uq_tags_organization_id_slug": SlugTakenError}

    async def page(self, organization_id: UUID, window: Window) -> Slice:
        """Return the tags of the organization, newest first."""
        statement = select(Tag).where(Tag.organization_id == organization_id)
        return await read_slice(self.session, statement, _ORDER, window)

    async def list_of_organization(self, organization_id: UUID) -> Sequence[Tag]:
        """Return all tags of the organization, by name."""
        return await self.get_many(organization_id=organization_id, order_by=[(Tag.name, False), (Tag.id, False)])

    async def existing_ids(self, organization_id: UUID, tag_ids: Collection[UUID]) -> set[UUID]:
        statement = select(Tag.id).where(Tag.organization_id == organization_id, Tag.id.in_(tag_ids))
        return set((await self.session.scalars(statement)).all())

    async def task_counts(self, tag_ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return how many tasks have each of these tags; a tag without any is left out."""
        statement = select(TaskTag.tag_id, func.count()).where(TaskTag.tag_id.in_(tag_ids)).group_by(TaskTag.tag_id)
        return {row[0]: row[1] for row in await self.session.execute(statement)}
