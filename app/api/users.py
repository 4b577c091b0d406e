"""/users/me"""

from litestar import Controller, delete, get, patch
from litestar.params import JSONBody

from app.api.conversion import to_shape
from app.api.documents import problems
from app.api.parameters import CallerRequest, Session
from app.models import User
from app.schemas.users import UserRead, UserUpdate
from app.services.users import delete_user


class UserController(Controller):
    path = "/users/me"
    tags = ("users",)

    @get(operation_id="get_me", summary="Read yourself", responses=problems())
    async def read(self, request: CallerRequest, db_session: Session) -> UserRead:  # noqa: ARG002
        return _read(request.user.person)

    @patch(operation_id="update_me", summary="Change yourself", responses=problems())
    async def update(self, request: CallerRequest, data: JSONBody[UserUpdate], db_session: Session) -> UserRead:
        user = request.user.person
        for name, value in data.sent().items():
            setattr(user, name, value)
        await db_session.flush()
        return _read(user)

    @delete(operation_id="delete_me", summary="Delete yourself", responses=problems(409))
    async def remove(self, request: CallerRequest, db_session: Session) -> None:
        await delete_user(db_session, request.user.person)


def _read(user: User) -> UserRead:
    return to_shape(UserRead, user)
