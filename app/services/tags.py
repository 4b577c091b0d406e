"""Tags of an organization."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from app.core.errors import BadRequestError, FieldProblem
from app.core.pagination import Slice, Window
from app.core.slugs import slugify
from app.models import Tag
from app.repositories.tags import TagRepository
from app.services.base import Service
from app.services.boards import BoardService


class TagView(NamedTuple):
    """A tag, and how many tasks have it."""

    tag: Tag
    task_count: int


class TagService(Service):
    """The tags of the member's active organization. All methods raise PeopleOnlyError, but `list_for_board`."""

    async def page(self, window: Window) -> Slice:
        """Return tags as TagViews, newest first."""
        found = await TagRepository(session=self._session).page(self._organization_id, window)
        return found._replace(rows=await self._views(found.rows))

    async def list_for_board(self, board_id: UUID) -> Sequence[Tag]:
        """Return the tags that tasks of the board can have, by name. Raises NotFoundError."""
        board = await BoardService(self._session, self._caller).get(board_id)
        return await TagRepository(session=self._session).list_of_organization(board.organization_id)

    async def get(self, tag_id: UUID) -> TagView:
        """Return a tag. Raises NotFoundError."""
        (view,) = await self._views([await self._get(tag_id)])
        return view

    async def create(self, fields: dict[str, Any]) -> TagView:
        """Create a tag. Raises BadRequestError where its name gives no slug, and SlugTakenError."""
        slug, color = fields["slug"] or _slug_of(fields["name"]), _bare(fields["color"])
        tag = Tag(organization_id=self._organization_id, **{**fields, "slug": slug, "color": color})
        return TagView(await TagRepository(session=self._session).add(tag), 0)

    async def update(self, tag_id: UUID, changes: dict[str, Any]) -> TagView:
        """Change a tag. Raises NotFoundError and SlugTakenError."""
        tag = await TagRepository(session=self._session).lock(organization_id=self._organization_id, id=tag_id)
        for name, value in changes.items():
            setattr(tag, name, _bare(value) if name == "color" else value)
        await TagRepository(session=self._session).update(tag)
        (view,) = await self._views([tag])
        return view

    async def delete(self, tag_id: UUID) -> None:
        """Delete a tag, which tasks lose. Raises NotFoundError."""
        tag = await self._get(tag_id)
        await TagRepository(session=self._session).delete(tag.id)

    @property
    def _organization_id(self) -> UUID:
        return self._caller.member.organization_id

    async def _get(self, tag_id: UUID) -> Tag:
        tags = TagRepository(session=self._session)
        return await tags.get_one(organization_id=self._organization_id, id=tag_id)

    async def _views(self, tags: Sequence[Tag]) -> list[TagView]:
        counts = await TagRepository(session=self._session).task_counts([tag.id for tag in tags])
        return [TagView(tag, counts.get(tag.id, 0)) for tag in tags]


def _bare(color: str) -> str:
    return color.removeprefix("#").lower()


def _slug_of(name: str) -> str:
    slug = slugify(name)
    if not slug:
        raise BadRequestError(errors=(FieldProblem("/slug", "Give one: the name has no letter that a slug may have."),))
    return slug
