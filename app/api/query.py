"""Query parameters: none that the operation does not know, and none more than once."""

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler

from app.core.errors import BadRequestError, FieldProblem

_KNOWN = "known_query_parameters"
# In a handler's `opt`: what its query holds is the sender's business.
ANY_QUERY = "any_query"


async def check_query(request: Request[Any, Any, Any]) -> None:
    """A before-request hook. Raises BadRequestError: a filter that is not applied shows what was not asked for."""
    given = [name for name, _ in request.query_params.multi_items()]
    handler = request.route_handler
    if not given or ANY_QUERY in handler.opt:
        return
    known = _known(handler, request)
    problems = [FieldProblem(name, _problem(name, given, known)) for name in dict.fromkeys(given)]
    if errors := tuple(problem for problem in problems if problem.detail):
        raise BadRequestError(errors=errors)


def _problem(name: str, given: list[str], known: frozenset[str]) -> str:
    if name not in known:
        others = f"It knows: {', '.join(sorted(known))}." if known else "It knows none."
        return f"This operation has no such parameter. {others}"
    return "Give it once." if given.count(name) > 1 else ""


def _known(handler: HTTPRouteHandler, request: Request[Any, Any, Any]) -> frozenset[str]:
    """The names that the handler and its dependencies take; the same at every request, so they are kept with it."""
    if _KNOWN not in handler.opt:
        model = handler.create_kwargs_model(path_parameters=request.path_params)
        handler.opt[_KNOWN] = frozenset(parameter.field_alias for parameter in model.expected_query_params)
    known: frozenset[str] = handler.opt[_KNOWN]
    return known
