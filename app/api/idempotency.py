"""`Idempotency-Key` on POST: a request that is sent again has the answer that the first one had, and changes nothing.

The answer is kept in the transaction of the request: either both are stored or neither is. One that failed is not
kept, since it changed nothing; it may be sent again with the same key.
"""

import hashlib
import re
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from litestar import Request, Response

from app.core.errors import AppError, BadRequestError, ConflictError, FieldProblem
from app.db.session import session_of
from app.repositories.idempotency import IdempotencyRepository
from app.services.identity import Caller

if TYPE_CHECKING:
    from app.core.sealing import Seal

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_KEY = re.compile(r"[!-~]{1,255}")


class InFlightError(ConflictError):
    code = "idempotency_key_in_flight"
    default_detail = "A request with this `Idempotency-Key` is being carried out: wait, and send it again."


class KeyReusedError(AppError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"
    default_detail = "Another request had this `Idempotency-Key`: give each its own."


class _Answer(msgspec.Struct, array_like=True):
    status: int
    headers: dict[str, str]
    body: bytes


class _Pending(NamedTuple):
    """A request whose answer is to be kept."""

    repository: IdempotencyRepository
    request_hash: bytes
    seal: "Seal"


_pending: ContextVar[_Pending | None] = ContextVar("idempotency", default=None)


class Idempotency:
    """`secret` seals the answers that are kept."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def replay(self, request: Request[Any, Any, Any]) -> Response[bytes] | None:
        """The answer to this request, if it was carried out before. Raises InFlightError and KeyReusedError."""
        _pending.set(None)
        if request.method != "POST" or (key := request.headers.get(HEADER)) is None:
            return None
        caller = request.scope.get("user")
        if not isinstance(caller, Caller):
            return None
        if not _KEY.fullmatch(key):
            raise BadRequestError(errors=(FieldProblem(HEADER, "Give 1 to 255 visible ASCII characters."),))
        known = caller.id.bytes + key.encode()
        repository = IdempotencyRepository(
            session_of(request.scope), caller.id, hashlib.sha256(b"key" + known).digest()
        )
        if not await repository.claim():
            raise InFlightError
        # Imported here because cryptography takes 8 MB of memory, which only the first such key is worth.
        from app.core.sealing import Seal  # noqa: PLC0415

        pending = _Pending(repository, await _hash_of(request), Seal(self._secret, known))
        found = await repository.find()
        answer = pending.seal.open(found.response) if found else None
        if found is None or answer is None:
            # None that can be opened: the service has another secret since.
            _pending.set(pending)
            return None
        if found.request_hash != pending.request_hash:
            raise KeyReusedError
        kept = msgspec.msgpack.decode(answer, type=_Answer)
        return Response(kept.body, status_code=kept.status, headers={**kept.headers, REPLAYED: "true"})

    async def keep(self, response: Response[Any]) -> Response[Any]:
        """An after-request hook, before the transaction is committed."""
        pending = _pending.get()
        if pending is None:
            return response
        _pending.set(None)
        body = b"" if response.content is None else msgspec.json.encode(response.content)
        headers = {"Content-Type": "application/json", **{key: str(value) for key, value in response.headers.items()}}
        answer = _Answer(response.status_code or HTTPStatus.CREATED, headers, body)
        await pending.repository.keep(pending.request_hash, pending.seal.close(msgspec.msgpack.encode(answer)))
        return response


async def _hash_of(request: Request[Any, Any, Any]) -> bytes:
    """Of what it asks for."""
    place = f"{request.scope['path']}?{request.scope['query_string'].decode('latin-1')}\0"
    return hashlib.sha256(place.encode() + await request.body()).digest()
