"""Short names for the types of handlers' parameters, and how a controller says which service they take."""

from typing import Annotated
from uuid import UUID

from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, Parameter
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.body import JsonRequest
from app.api.http.pagination import provide_window
from app.core.pagination import Window
from app.services.base import Service

# A signed-in request: `request.user` is the caller.
CallerRequest = JsonRequest
# The request's session (`app/db/request/session.py`), which is committed when the handler has returned.
Session = NamedDependency[AsyncSession]
PageWindow = NamedDependency[Window]
Search = Annotated[
    str | None,
    Parameter(
        max_length=200, description='Words to search for, "a phrase", `or`, and `-word` for a word that must not occur.'
    ),
]
PathId = FromPath[UUID]


def provide_service(service_type: type[Service]) -> dict[str, Provide]:
    """Return the `dependencies` of a controller: the `service` of this type, and the `window` of its lists."""

    def provide(request: CallerRequest, db_session: Session) -> Service:
        return service_type(db_session, request.user)

    return {
        "service": Provide(provide, sync_to_thread=False),
        "window": Provide(provide_window, sync_to_thread=False),
    }
