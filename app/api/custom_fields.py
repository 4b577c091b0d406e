"""The controller of custom fields: /organizations/me/custom-fields."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import PathId, provide_service
from app.api.openapi.errors import problems
from app.schemas.custom_fields import (
    TaskCustomFieldDefinitionCreate,
    TaskCustomFieldDefinitionRead,
    TaskCustomFieldDefinitionUpdate,
)
from app.services.custom_fields import CustomFieldService, FieldView

Fields = NamedDependency[CustomFieldService]


class CustomFieldController(Controller):
    path = "/organizations/me/custom-fields"
    tags = ("custom-fields",)
    dependencies = provide_service(CustomFieldService)

    @get(
        operation_id="list_custom_fields",
        summary="List the custom fields of the boards that you may read",
        responses=problems(404),
    )
    async def list_all(self, service: Fields) -> list[TaskCustomFieldDefinitionRead]:
        """List all of them without pages, oldest first; agents see those of their board."""
        return [_read(view) for view in await service.list()]

    @post(
        operation_id="create_custom_field",
        summary="Create a custom field",
        responses=problems(403, 404, 409),
    )
    async def create(
        self, data: JSONBody[TaskCustomFieldDefinitionCreate], service: Fields
    ) -> Response[TaskCustomFieldDefinitionRead]:
        """Create the field. Existing tasks have no value in it, even if it is required."""
        view = await service.create(data.sent())
        location = f"/api/v1/organizations/me/custom-fields/{view.field.id}"
        return Response(_read(view), headers={"Location": location}, status_code=201)

    @get(
        "/{task_custom_field_definition_id:uuid}",
        operation_id="get_custom_field",
        summary="Read a custom field",
        responses=problems(404),
    )
    async def read(self, task_custom_field_definition_id: PathId, service: Fields) -> TaskCustomFieldDefinitionRead:
        return _read(await service.get(task_custom_field_definition_id))

    @patch(
        "/{task_custom_field_definition_id:uuid}",
        operation_id="update_custom_field",
        summary="Change a custom field",
        responses=problems(403, 404, 409),
    )
    async def update(
        self, task_custom_field_definition_id: PathId, data: JSONBody[TaskCustomFieldDefinitionUpdate], service: Fields
    ) -> TaskCustomFieldDefinitionRead:
        """Change the field. A new type or pattern is refused if a task has a value that does not fit it unchanged."""
        return _read(await service.update(task_custom_field_definition_id, data.sent()))

    @delete(
        "/{task_custom_field_definition_id:uuid}",
        operation_id="delete_custom_field",
        summary="Delete a custom field with its values",
        responses=problems(403, 404),
    )
    async def remove(self, task_custom_field_definition_id: PathId, service: Fields) -> None:
        await service.delete(task_custom_field_definition_id)


def _read(view: FieldView) -> TaskCustomFieldDefinitionRead:
    return to_shape(TaskCustomFieldDefinitionRead, view.field, board_ids=list(view.board_ids))
