"""Requests: what only the gateway runtime knows is accepted, and left out before anything else reads it."""

from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar.types import Scope

from app.api.http.body import JsonRequest

# Accepted in every body of JSON, whatever their value.
IGNORED_FIELDS = frozenset({"clerk_user_id", "gateway_id", "identity_template", "is_gateway_main", "soul_template"})
IGNORED_PARAMETER = "gateway_id"
_NULL = "null"
_IGNORED_IN_QUERY = (IGNORED_PARAMETER.encode(), _NULL.encode())
# Values stay as they were sent, numbers to the last digit.
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class LenientRequest(JsonRequest):
    """A request whose body lacks the ignored fields, where the handler takes a decoded one."""

    async def body(self) -> bytes:
        sent = await super().body()
        # Webhooks are signed as they were sent.
        return sent if self.route_handler.parsed_data_field is None else _without_ignored(sent)


def _without_ignored(sent: bytes) -> bytes:
    try:
        fields = _FIELDS.decode(sent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return sent
    kept = {name: value for name, value in fields.items() if name not in IGNORED_FIELDS}
    return sent if len(kept) == len(fields) else msgspec.json.encode(kept)


def drop_ignored_parameters(scope: Scope) -> None:
    """Take out of the query what the gateway knows, and what is null: generated clients write that as a word."""
    query = scope["query_string"]
    if not any(word in query for word in _IGNORED_IN_QUERY):
        return
    given = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    kept = [(name, value) for name, value in given if name != IGNORED_PARAMETER and value != _NULL]
    scope["query_string"] = urlencode(kept).encode("latin-1")
