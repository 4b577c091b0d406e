"""What handlers take, by short names."""

from typing import Any
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from app.repositories.keyset import Window
from app.services.identity import Identity

# A request that is signed in: `request.user` is who.
CallerRequest = Request[Identity, Any, Any]
# The request's session (`app/db/session.py`), committed when the handler has returned.
Session = NamedDependency[AsyncSession]
PageWindow = NamedDependency[Window]
PathId = FromPath[UUID]
