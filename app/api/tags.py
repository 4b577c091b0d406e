"""The controller of tags: /tags."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.schemas.pagination import Page
from app.schemas.tags import TagCreate, TagRead, TagUpdate
from app.services.tags import TagService, TagView

Tags = NamedDependency[TagService]


class TagController(Controller):
    path = "/tags"
    tags = ("tags",)
    dependencies = provide_service(TagService)

    @get(operation_id="list_tags", summary="List the tags of your active organization", responses=problems(403, 404))
    async def list_all(self, request: CallerRequest, window: PageWindow, service: Tags) -> Response[Page[TagRead]]:
        return page_response(request, window, await service.page(window), _read)

    @post(operation_id="create_tag", summary="Create a tag", responses=problems(404, 409))
    async def create(self, data: JSONBody[TagCreate], service: Tags) -> Response[TagRead]:
        view = await service.create(data.sent())
        return Response(_read(view), headers={"Location": f"/api/v1/tags/{view.tag.id}"}, status_code=201)

    @get("/{tag_id:uuid}", operation_id="get_tag", summary="Read a tag", responses=problems(403, 404))
    async def read(self, tag_id: PathId, service: Tags) -> TagRead:
        return _read(await service.get(tag_id))

    @patch("/{tag_id:uuid}", operation_id="update_tag", summary="Change a tag", responses=problems(404, 409))
    async def update(self, tag_id: PathId, data: JSONBody[TagUpdate], service: Tags) -> TagRead:
        return _read(await service.update(tag_id, data.sent()))

    @delete("/{tag_id:uuid}", operation_id="delete_tag", summary="Delete a tag", responses=problems(403, 404))
    async def remove(self, tag_id: PathId, service: Tags) -> None:
        await service.delete(tag_id)


def _read(view: TagView) -> TagRead:
    return to_shape(TagRead, view.tag, task_count=view.task_count)
