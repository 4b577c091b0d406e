"""What the run of tests/integration/test_schemathesis.py adds to schemathesis, which loads this file by itself."""

import gc
import json
import os
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

import httpx
import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.checks import ignored_auth
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import IgnoredAuth, RejectedPositiveData

# As in tests/conftest.py.
gc.freeze()
gc.set_threshold(10_000)
# Besides the token that every request is sent with: kind -> its headers.
OTHERS: dict[str, dict[str, str]] = json.loads(os.environ["OTHER_TOKENS"])
# Rules that no schema can say, each by the code with which a request that fits its schema is refused all the same.
BEYOND_SCHEMAS = {
    # It names, in its body or query, what there is not.
    "unknown_reference",
    # They are opaque: made by the server alone.
    "invalid_cursor",
    "invalid_event_id",
    # They hold against what was sent or answered before.
    "precondition_failed",
    "idempotency_key_reused",
    # Each is good once, and for a time.
    "invite_expired",
    "webhook_disabled",
}
# As well, by the place that the error names.
BEYOND_SCHEMAS_AT = {
    "cursor": "not together with `offset`",
    "sort": "each list has columns of its own",
    "/default_value": "it has to fit the type of the field",
    "/validation_regex": "it has to be one, and of a text",
    "/slug": "a name without letters gives none",
    "/custom_field_values": "each board has fields of its own",
    "/status": "an agent's approval is pending",
    "/expires_at": "it lies ahead",
}


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Describe whole events: the document has the schema of their data, from which clients get their types."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            sent = operation["responses"].get("200", {}).get("content", {}).get("text/event-stream")
            if sent is not None:
                data = {"type": "string", "contentMediaType": "application/json", "contentSchema": sent["schema"]}
                text = {"type": "string"}
                properties = {"id": text, "event": text, "data": data}
                sent["schema"] = {"type": "object", "properties": properties, "required": [*properties]}


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Whether it is one."""
    if isinstance(failure, IgnoredAuth):
        # Its tokens are none, and more than 60 of those in a minute are refused so.
        return "429 Too Many Requests" not in failure.message
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem: dict[str, Any] = response.json()
    pointers = {"/".join(error["pointer"].split("/")[:2]) for error in problem.get("errors", ())}
    return not (problem["code"] in BEYOND_SCHEMAS or (pointers and pointers <= BEYOND_SCHEMAS_AT.keys()))


@schemathesis.check
def holds_for_every_kind_of_token(context: CheckContext, response: Response, case: Case) -> None:
    """The same request once more for each of the others: whatever they may, the answer keeps to the document."""
    if case.operation.definition.raw.get("security") == [{}]:
        return
    for headers in OTHERS.values():
        answer = case.call(headers=headers)
        case.validate_response(answer, excluded_checks=[ignored_auth, holds_for_every_kind_of_token])


@schemathesis.check
def location_can_be_read(context: CheckContext, response: Response, case: Case) -> None:
    """By whoever made what is there; what is public has no caller who could, what is answered again may be gone."""
    made = response.status_code == HTTPStatus.CREATED and "idempotent-replayed" not in response.headers
    if made and (token := response.request.headers.get("Authorization")):
        url = urljoin(str(response.request.url), response.headers["location"][0])
        found = httpx.get(url, headers={"Authorization": str(token)}, timeout=120)
        assert found.status_code == HTTPStatus.OK, f"{url}: {found.status_code}"
