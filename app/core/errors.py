"""The errors of the application. Each carries its HTTP status and a stable code.

`api/http/exception_handlers.py` renders them (RFC 9457). A `detail` is written for the client: it never holds SQL, a
driver's text or another tenant's data.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

from app.postgres.settings_error import SettingsError


class FieldProblem:
    """A problem with one field of a request; `pointer` is a JSON pointer (RFC 6901) or a parameter's name."""

    __slots__ = ("detail", "pointer")

    def __init__(self, pointer: str, detail: str) -> None:
        self.pointer = pointer
        self.detail = detail


class AppError(Exception):
    """The base of all errors that the application raises on purpose. Subclasses set status and code."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "internal_error"
    default_detail: ClassVar[str] = "The server could not answer this request."
    implies_access: ClassVar[bool] = False
    """Whether it is raised only if the caller may do what they asked for."""

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: tuple[FieldProblem, ...] = (),
        extra: dict[str, object] | None = None,
    ) -> None:
        self.detail = detail or self.default_detail
        self.errors = errors
        self.extra = extra or {}
        super().__init__(self.detail)

    @property
    def headers(self) -> dict[str, str]:
        return {}


class BadRequestError(AppError):
    status = HTTPStatus.BAD_REQUEST
    code = "validation_error"
    default_detail = "The request is not valid."
    implies_access = True


class UnauthorizedError(AppError):
    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"
    default_detail = "Sign in with `Authorization: Bearer <token>`."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(AppError):
    status = HTTPStatus.FORBIDDEN
    code = "forbidden"
    default_detail = "You may see this, but not change it."


class NotFoundError(AppError):
    """There is no such object in the caller's organization. The answer must not show whether another has it."""

    status = HTTPStatus.NOT_FOUND
    code = "not_found"
    default_detail = "There is no such object here."


class RequestTimeoutError(AppError):
    status = HTTPStatus.REQUEST_TIMEOUT
    code = "request_timeout"
    default_detail = "The body of the request did not come in time."

    @property
    def headers(self) -> dict[str, str]:
        # The rest of the body would otherwise be read as the next request.
        return {"Connection": "close"}


class ConflictError(AppError):
    status = HTTPStatus.CONFLICT
    code = "conflict"
    default_detail = "The request conflicts with the present state."
    implies_access = True


class PreconditionFailedError(AppError):
    status = HTTPStatus.PRECONDITION_FAILED
    code = "precondition_failed"
    default_detail = "It has changed since you last read it: read it again."


class TooManyRequestsError(AppError):
    """The caller has done this too often. `wait` is in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"
    default_detail = "There were too many such requests: wait as long as `Retry-After` says."

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__()

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.wait)}


class ServiceUnavailableError(AppError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "service_unavailable"
    default_detail = "The service cannot answer right now; try again shortly."

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


class SeveralSettingsError(SettingsError):
    """Several wrong settings, each on a line of its own."""

    def __init__(self, problems: Sequence[SettingsError]) -> None:
        super().__init__(problems[0].variable, problems[0].problem, problems[0].remedy)
        self.args = ("\n".join([f"{len(problems)} settings are wrong.", *map(str, problems)]),)
