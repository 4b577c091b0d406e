"""Short names for the types of handlers' parameters."""

from typing import Annotated
from uuid import UUID

from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.body import JsonRequest
from app.core.paging import Window

# A signed-in request: `request.user` is the caller.
CallerRequest = JsonRequest
# The request's session (`app/db/request/session.py`), which is committed when the handler has returned.
Session = NamedDependency[AsyncSession]
PageWindow = NamedDependency[Window]
Search = Annotated[
    str | None,
    Parameter(max_length=200, description='Words, "a phrase", `or`, and `-word` for what must not be there.'),
]
PathId = FromPath[UUID]
