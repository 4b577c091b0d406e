"""The controller of the signed-in user: /users/me, and /auth/bootstrap."""

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import provide_service
from app.api.openapi.errors import problems
from app.models import User
from app.schemas.users import UserRead, UserUpdate
from app.services.users import UserService

Users = NamedDependency[UserService]


class UserController(Controller):
    path = "/users/me"
    tags = ("users",)
    dependencies = provide_service(UserService)

    @get(operation_id="get_me", summary="Read your own user", responses=problems(403))
    async def read(self, service: Users) -> UserRead:
        return _read(await service.get())

    @patch(operation_id="update_me", summary="Change your own user", responses=problems(403))
    async def update(self, data: JSONBody[UserUpdate], service: Users) -> UserRead:
        return _read(await service.update(data.sent()))

    @delete(operation_id="delete_me", summary="Delete your own user", responses=problems(409))
    async def remove(self, service: Users) -> None:
        await service.delete()


class BootstrapController(Controller):
    path = "/auth"
    tags = ("users",)
    dependencies = provide_service(UserService)

    @post(
        "/bootstrap",
        operation_id="bootstrap",
        summary="Read your own user, who is new at the first request",
        responses=problems(403),
        status_code=200,
    )
    async def bootstrap(self, service: Users) -> UserRead:
        """Return your user. It is made by the first request of any kind, with an organization named Personal."""
        return _read(await service.get())


def _read(user: User) -> UserRead:
    return to_shape(UserRead, user)
