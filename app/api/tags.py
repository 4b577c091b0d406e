"""/tags"""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.conversion import to_shape
from app.api.http.pagination import page_response
from app.api.http.parameters import CallerRequest, PageWindow, PathId, Session
from app.api.openapi.errors import problems
from app.core.errors import BadRequestError, FieldProblem, NotFoundError
from app.core.slugs import slugify
from app.models import Tag
from app.repositories.tags import TagRepository
from app.schemas.pages import Page
from app.schemas.tags import TagCreate, TagRead, TagUpdate


class TagController(Controller):
    path = "/tags"
    tags = ("tags",)

    @get(operation_id="list_tags", summary="List the tags", responses=problems(403, 404))
    async def list_all(
        self, request: CallerRequest, window: PageWindow, db_session: Session
    ) -> Response[Page[TagRead]]:
        repository = TagRepository(session=db_session)
        found = await repository.page(request.user.member.organization_id, window)
        counts = await repository.task_counts([tag.id for tag in found.rows])
        return page_response(request, window, found, lambda tag: _read(tag, counts.get(tag.id, 0)))

    @post(operation_id="create_tag", summary="Create a tag", responses=problems(404, 409))
    async def create(self, request: CallerRequest, data: JSONBody[TagCreate], db_session: Session) -> Response[TagRead]:
        fields = {**data.sent(), "slug": data.slug or _slug_of(data.name), "color": _bare(data.color)}
        tag = Tag(organization_id=request.user.member.organization_id, **fields)
        await TagRepository(session=db_session).store(tag)
        return Response(_read(tag, 0), headers={"Location": f"/api/v1/tags/{tag.id}"}, status_code=201)

    @get("/{tag_id:uuid}", operation_id="get_tag", summary="Read a tag", responses=problems(403, 404))
    async def read(self, request: CallerRequest, tag_id: PathId, db_session: Session) -> TagRead:
        return await _counted(db_session, await _find(db_session, request, tag_id))

    @patch("/{tag_id:uuid}", operation_id="update_tag", summary="Change a tag", responses=problems(404, 409))
    async def update(
        self, request: CallerRequest, tag_id: PathId, data: JSONBody[TagUpdate], db_session: Session
    ) -> TagRead:
        tag = await _find(db_session, request, tag_id)
        changes = data.sent()
        if isinstance(data.color, str):
            changes["color"] = _bare(data.color)
        for name, value in changes.items():
            setattr(tag, name, value)
        return await _counted(db_session, await TagRepository(session=db_session).store(tag))

    @delete("/{tag_id:uuid}", operation_id="delete_tag", summary="Delete a tag", responses=problems(403, 404))
    async def remove(self, request: CallerRequest, tag_id: PathId, db_session: Session) -> None:
        tag = await _find(db_session, request, tag_id)
        await TagRepository(session=db_session).remove(tag.id)


async def _find(session: AsyncSession, request: CallerRequest, tag_id: UUID) -> Tag:
    tag = await TagRepository(session=session).find(request.user.member.organization_id, tag_id)
    if tag is None:
        raise NotFoundError
    return tag


async def _counted(session: AsyncSession, tag: Tag) -> TagRead:
    counts = await TagRepository(session=session).task_counts([tag.id])
    return _read(tag, counts.get(tag.id, 0))


def _read(tag: Tag, task_count: int) -> TagRead:
    return to_shape(TagRead, tag, task_count=task_count)


def _bare(color: str) -> str:
    return color.removeprefix("#").lower()


def _slug_of(name: str) -> str:
    """Raises BadRequestError where nothing of the name is left."""
    slug = slugify(name)
    if not slug:
        raise BadRequestError(errors=(FieldProblem("/slug", "Give one: the name has no letter that a slug may have."),))
    return slug
