"""The body of a request: JSON, decoded directly into the handler's type.

Litestar would decode JSON first and then convert it leniently: "3" would be accepted as 3, "null" as null, and a number
as a time.
"""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException

from app.core.errors import AppError
from app.services.callers import Caller

_JSON = "application/json"


class UnsupportedMediaTypeError(AppError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "unsupported_media_type"
    default_detail = f"Send the body as JSON, with `Content-Type: {_JSON}`."

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept": _JSON}


class JsonRequest(Request[Caller, Any, Any]):
    """The request of every handler under /api/v1. A handler that takes `data` gets the result of `json`."""

    async def json(self) -> Any:  # noqa: ANN401 - what the handler takes
        """Return the decoded body. Raises UnsupportedMediaTypeError if it is declared as something other than JSON."""
        media_type = self.content_type[0].lower()
        if media_type and media_type != _JSON and not media_type.endswith("+json"):
            raise UnsupportedMediaTypeError
        field = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(await self.body(), type=field.annotation if field else Any)
        except msgspec.DecodeError as exc:
            raise ClientException(str(exc)) from exc
        except UnicodeDecodeError as exc:
            raise ClientException("JSON is malformed: a text in it is not UTF-8") from exc
        except RecursionError as exc:
            raise ClientException("It is nested too deeply") from exc
