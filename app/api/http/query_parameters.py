"""Checks of query parameters: unknown, repeated or null ones are errors, and integers have digits only."""

import re
from typing import Any, NamedTuple

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from app.core.errors import BadRequestError, FieldProblem

_PARAMETERS = "query_parameters"
# In a handler's `opt`: its query is not checked, because the sender chooses it.
ANY_QUERY = "any_query"
# Litestar would accept 1e2 and 100.0 as integers, too.
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


class _Parameters(NamedTuple):
    names: frozenset[str]
    numbers: frozenset[str]
    texts: frozenset[str]


async def check_query(request: Request[Any, Any, Any]) -> None:
    """Check the query; a before-request hook. Raises BadRequestError, so that no misspelt filter is ignored."""
    handler = request.route_handler
    if not request.scope["query_string"] or ANY_QUERY in handler.opt:
        return
    given, known = list(request.query_params.multi_items()), _parameters_of(handler, request)
    problems = [FieldProblem(name, _problem(name, values, known)) for name, values in _values_by_name(given).items()]
    if errors := tuple(problem for problem in problems if problem.detail):
        raise BadRequestError(errors=errors)


def _values_by_name(given: list[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in given:
        values.setdefault(name, []).append(value)
    return values


def _problem(name: str, values: list[str], known: _Parameters) -> str:
    if name not in known.names:
        others = f"It knows: {', '.join(sorted(known.names))}." if known.names else "It knows none."
        return f"This operation has no such parameter. {others}"
    if len(values) > 1:
        return "Give it once."
    if name in known.numbers and not _WHOLE_NUMBER.fullmatch(values[0]):
        return "Give a whole number."
    # Litestar would take the word null for a missing parameter.
    return (
        "Nothing is null in a query: leave it out." if values[0].lower() == "null" and name not in known.texts else ""
    )


def _parameters_of(handler: HTTPRouteHandler, request: Request[Any, Any, Any]) -> _Parameters:
    """Return the parameters of the handler and its dependencies. They are cached in the handler's `opt`."""
    if _PARAMETERS not in handler.opt:
        model = handler.create_kwargs_model(path_parameters=request.path_params)
        names = frozenset(parameter.field_alias for parameter in model.expected_query_params)
        handler.opt[_PARAMETERS] = _Parameters(names, names & _of_type(handler, int), names & _of_type(handler, str))
    known: _Parameters = handler.opt[_PARAMETERS]
    return known


def _of_type(handler: HTTPRouteHandler, wanted: type) -> frozenset[str]:
    dependencies = handler.resolve_dependencies().values()
    signatures = [handler.parsed_fn_signature, *(provider.parsed_fn_signature for provider in dependencies)]
    fields = [item for signature in signatures for item in signature.parameters.items()]
    return frozenset(
        name for name, field in fields if wanted in (field.annotation, *(x.annotation for x in field.inner_types))
    )
