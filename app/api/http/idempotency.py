"""`Idempotency-Key` on POST: a request that is sent again gets the first one's answer, and changes nothing.

The answer is stored in the transaction of the request, so that both are stored or neither. The answer to a failed
request is not stored, since the request changed nothing; it may be sent again with the same key.

A key belongs to the caller, the kind of credential and the organization. An answer is replayed only to a caller who may
still do what is asked. To find that out, the operation is run in a transaction that is rolled back, so that its own
rules decide. If that run fails for another reason, such as that the object exists by now, the answer is replayed.
"""

import hashlib
import re
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.enums import HttpMethod, ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.api.http.etag import NO_STORE
from app.core.errors import AppError, BadRequestError, ConflictError, FieldProblem, ForbiddenError
from app.db.request.session import session_of, start_dry_run
from app.services.callers import Caller
from app.services.idempotency import IdempotencyService

if TYPE_CHECKING:
    from app.core.encryption import Seal

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
# In a handler's `opt`: it does the same for every active organization.
IN_ANY_ORGANIZATION = "in_any_organization"
_KEY = re.compile(r"[!-~]{1,255}")
_IS_PERMITTED = "idempotency_is_permitted"


class InFlightError(ConflictError):
    code = "idempotency_key_in_flight"
    default_detail = "A request with this `Idempotency-Key` is being carried out: wait, and send it again."


class KeyReusedError(AppError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"
    default_detail = "Another request had this `Idempotency-Key`: use a new key for each request."


class SecretAnswerError(ForbiddenError):
    code = "idempotency_key_of_another_token"
    default_detail = (
        "This was done with another token, and only that token is shown the secret in the answer: to do it again, send"
        " another `Idempotency-Key`."
    )


class _Answer(msgspec.Struct, array_like=True):
    """A stored answer. `token_id` is the personal access token of the request, if it had one."""

    status: int
    headers: dict[str, str]
    body: bytes
    token_id: UUID | None = None

    @property
    def holds_secret(self) -> bool:
        return NO_STORE.items() <= self.headers.items()


class _Pending(NamedTuple):
    """A request whose answer is to be stored."""

    answers: IdempotencyService
    request_hash: bytes
    seal: "Seal"
    token_id: UUID | None


_pending: ContextVar[_Pending | None] = ContextVar("idempotency", default=None)


class Idempotency(ASGIMiddleware):
    """Replays the stored answer to a request that is sent again. Answers are encrypted with `secret`."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        pending, kept = None, None
        if scope["method"] == HttpMethod.POST and isinstance(caller := scope.get("user"), Caller):  # type: ignore[typeddict-item]
            pending, kept = await self._look_up(Request(scope, receive, send), caller)
        # Also resets what a failed request of the same context may have left.
        _pending.set(None if kept else pending)
        if kept is None:
            await next_app(scope, receive, send)
        else:
            await _replay(kept, scope, receive, send, next_app)

    async def _look_up(self, request: Request[Any, Any, Any], caller: Caller) -> tuple[_Pending | None, _Answer | None]:
        """Return the request if it has a key, and the stored answer if there is one.

        Raises BadRequestError, InFlightError, KeyReusedError and SecretAnswerError.
        """
        if (key := request.headers.get(HEADER)) is None:
            return None, None
        if not _KEY.fullmatch(key):
            raise BadRequestError(errors=(FieldProblem(HEADER, "Give 1 to 255 visible ASCII characters."),))
        known = _owner(request, caller) + key.encode()
        service = IdempotencyService(session_of(request.scope), caller.id, hashlib.sha256(b"key" + known).digest())
        if not await service.claim():
            raise InFlightError
        # Imported here because cryptography takes 8 MB of memory, and most processes see no key.
        from app.core.encryption import Seal  # noqa: PLC0415

        token_id = caller.token.id if caller.token else None
        pending = _Pending(service, await _hash_of(request), Seal(self._secret, known), token_id)
        found = await service.get_kept_or_none()
        answer = pending.seal.decrypt(found.response) if found else None
        if found is None or answer is None:
            # There is none, or it cannot be decrypted because SECRET_KEY has changed.
            return pending, None
        if found.request_hash != pending.request_hash:
            raise KeyReusedError
        kept = msgspec.msgpack.decode(answer, type=_Answer)
        if kept.holds_secret and kept.token_id != token_id:
            raise SecretAnswerError
        return pending, kept


async def store_answer(response: Response[Any]) -> Response[Any]:
    """Store the answer to a request with a key; an after-request hook, which runs before the commit."""
    pending = _pending.get()
    if pending is None:
        return response
    _pending.set(None)
    body = b"" if response.content is None else msgspec.json.encode(response.content)
    headers = {"Content-Type": "application/json", **{key: str(value) for key, value in response.headers.items()}}
    answer = _Answer(response.status_code or HTTPStatus.CREATED, headers, body, pending.token_id)
    await pending.answers.keep(pending.request_hash, pending.seal.encrypt(msgspec.msgpack.encode(answer)))
    return response


async def note_error(exc: Exception, scope: Scope) -> None:
    """Note whether the caller may do what has failed; an after-exception hook."""
    # Not the error itself: its traceback refers to the scope, so each failure would be a reference cycle.
    scope["state"][_IS_PERMITTED] = isinstance(exc, AppError) and exc.implies_access


async def _replay(kept: _Answer, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
    """Send the stored answer, or the refusal if the caller may not do that any more."""
    dry_run_answer: list[Message] = []

    async def note(message: Message) -> None:
        dry_run_answer.append(message)

    scope["state"][_IS_PERMITTED] = True
    start_dry_run(scope)
    await next_app(scope, receive, note)
    if scope["state"][_IS_PERMITTED]:
        replayed = Response(kept.body, status_code=kept.status, headers={**kept.headers, REPLAYED: "true"})
        await replayed.to_asgi_response(app=None, request=Request(scope, receive, send))(scope, receive, send)
        return
    for message in dry_run_answer:
        await send(message)


def _owner(request: Request[Any, Any, Any], caller: Caller) -> bytes:
    """Return bytes for the owner of the key: the caller, the kind of credential and the active organization."""
    kind = b"agent" if caller.agent else b"token" if caller.token else b"sign-in"
    organization_id = None if request.route_handler.opt.get(IN_ANY_ORGANIZATION) else caller.organization_id
    return caller.id.bytes + kind + (organization_id.bytes if organization_id else b"")


async def _hash_of(request: Request[Any, Any, Any]) -> bytes:
    """Return the hash of path, query and body."""
    place = f"{request.scope['path']}?{request.scope['query_string'].decode('latin-1')}\0"
    return hashlib.sha256(place.encode() + await request.body()).digest()
