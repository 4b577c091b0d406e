"""What handlers take, by short names."""

from uuid import UUID

from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.body import JsonRequest
from app.repositories.keyset import Window

# A request that is signed in: `request.user` is who.
CallerRequest = JsonRequest
# The request's session (`app/db/session.py`), committed when the handler has returned.
Session = NamedDependency[AsyncSession]
PageWindow = NamedDependency[Window]
PathId = FromPath[UUID]
