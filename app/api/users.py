"""/users/me"""

from litestar import Controller, delete, get, patch
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.conversion import to_shape
from app.api.http.parameters import CallerRequest, Session
from app.api.openapi.errors import problems
from app.repositories.users import UserRepository
from app.schemas.users import UserRead, UserUpdate
from app.services.users import delete_user


class UserController(Controller):
    path = "/users/me"
    tags = ("users",)

    @get(operation_id="get_me", summary="Read yourself", responses=problems(403))
    async def read(self, request: CallerRequest, db_session: Session) -> UserRead:
        return await _read(request, db_session)

    @patch(operation_id="update_me", summary="Change yourself", responses=problems(403))
    async def update(self, request: CallerRequest, data: JSONBody[UserUpdate], db_session: Session) -> UserRead:
        await UserRepository(session=db_session).change(request.user.person.id, data.sent())
        return await _read(request, db_session)

    @delete(operation_id="delete_me", summary="Delete yourself", responses=problems(409))
    async def remove(self, request: CallerRequest, db_session: Session) -> None:
        await delete_user(db_session, request.user)


async def _read(request: CallerRequest, session: AsyncSession) -> UserRead:
    return to_shape(UserRead, await UserRepository(session=session).get(request.user.person.id))
