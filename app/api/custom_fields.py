"""/organizations/me/custom-fields"""

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.parameters import CallerRequest, PathId, Session
from app.api.openapi.errors import problems
from app.schemas.custom_fields import (
    TaskCustomFieldDefinitionCreate,
    TaskCustomFieldDefinitionRead,
    TaskCustomFieldDefinitionUpdate,
)
from app.services.custom_fields import CustomFields, FieldView


class CustomFieldController(Controller):
    path = "/organizations/me/custom-fields"
    tags = ("custom-fields",)

    @get(
        operation_id="list_custom_fields",
        summary="List the custom fields of the boards that you may read",
        responses=problems(404),
    )
    async def list_all(self, request: CallerRequest, db_session: Session) -> list[TaskCustomFieldDefinitionRead]:
        """All of them in one piece, oldest first; for agents those of their board."""
        return [_read(view) for view in await CustomFields(db_session, request.user).views()]

    @post(
        operation_id="create_custom_field",
        summary="Define a custom field",
        responses=problems(403, 404, 409),
    )
    async def create(
        self, request: CallerRequest, data: JSONBody[TaskCustomFieldDefinitionCreate], db_session: Session
    ) -> Response[TaskCustomFieldDefinitionRead]:
        """Tasks that its boards have already stay without a value, also where it is required."""
        view = await CustomFields(db_session, request.user).create(data.sent())
        location = f"/api/v1/organizations/me/custom-fields/{view.field.id}"
        return Response(_read(view), headers={"Location": location}, status_code=201)

    @get(
        "/{task_custom_field_definition_id:uuid}",
        operation_id="get_custom_field",
        summary="Read a custom field",
        responses=problems(404),
    )
    async def read(
        self, request: CallerRequest, task_custom_field_definition_id: PathId, db_session: Session
    ) -> TaskCustomFieldDefinitionRead:
        return _read(await CustomFields(db_session, request.user).view(task_custom_field_definition_id))

    @patch(
        "/{task_custom_field_definition_id:uuid}",
        operation_id="update_custom_field",
        summary="Change its definition",
        responses=problems(403, 404, 409),
    )
    async def update(
        self,
        request: CallerRequest,
        task_custom_field_definition_id: PathId,
        data: JSONBody[TaskCustomFieldDefinitionUpdate],
        db_session: Session,
    ) -> TaskCustomFieldDefinitionRead:
        """A new type or pattern is refused where a task has a value that would not stand under it as it is."""
        fields = CustomFields(db_session, request.user)
        return _read(await fields.update(task_custom_field_definition_id, data.sent()))

    @delete(
        "/{task_custom_field_definition_id:uuid}",
        operation_id="delete_custom_field",
        summary="Delete a custom field with its values",
        responses=problems(403, 404),
    )
    async def remove(
        self, request: CallerRequest, task_custom_field_definition_id: PathId, db_session: Session
    ) -> None:
        await CustomFields(db_session, request.user).delete(task_custom_field_definition_id)


def _read(view: FieldView) -> TaskCustomFieldDefinitionRead:
    return to_shape(TaskCustomFieldDefinitionRead, view.field, board_ids=list(view.board_ids))
