"""Which errors run a request again from its start, at most twice, and which do not.

It is run again if the server ended its transaction for no fault of the request, or if its connection was lost before
the COMMIT: nothing was stored, and the response has not started. A reading request that a replica could not answer is
run again, too, on the primary.
"""

from collections.abc import Awaitable, Callable

import structlog
from litestar.types import Scope

from app.db.request.read_route import read_route_of
from app.postgres.errors import has_lost_connection, sqlstate_of, was_ended_while_idle
from app.postgres.sqlstate import DEADLOCK_DETECTED, FEATURE_NOT_SUPPORTED, SERIALIZATION_FAILURE

_MAY_RETRY = "db_may_retry"
_COMMITTING = "db_committing"
_MAX_ATTEMPTS = 3
# serialization_failure and deadlock_detected: another transaction won, perhaps a schema change. feature_not_supported:
# a column of a prepared statement has changed its type; SQLAlchemy then prepares all of its statements anew.
_RETRYABLE = frozenset({SERIALIZATION_FAILURE, DEADLOCK_DETECTED, FEATURE_NOT_SUPPORTED})
# Class 57, operator intervention.
_ENDED_BY_OPERATOR = "57"

log = structlog.stdlib.get_logger(__name__)


async def run_with_retries(scope: Scope, run_once: Callable[[], Awaitable[None]]) -> None:
    """Run the request until an attempt succeeds, or fails with an error that no attempt would mend."""
    for left in reversed(range(_MAX_ATTEMPTS)):
        scope["state"] |= {_MAY_RETRY: left > 0, _COMMITTING: False}
        try:
            await run_once()
        except Exception as exc:
            if not will_be_retried(scope, exc):
                raise
            log.info("the transaction is repeated", sqlstate=sqlstate_of(exc), path=scope["path"])
        else:
            return


def will_be_retried(scope: Scope, exc: BaseException) -> bool:
    """Return whether the request will be run again when this error reaches `run_with_retries`."""
    state = scope["state"]
    if not state.get(_MAY_RETRY):
        return False
    if read_route_of(scope).failed_on_replica(exc):
        return True
    sqlstate = sqlstate_of(exc) or ""
    # An operator who ends a session at work means to end that work. Between two statements there is none.
    was_ended = sqlstate.startswith(_ENDED_BY_OPERATOR) and not was_ended_while_idle(exc)
    # If the answer to a COMMIT is lost, nobody knows whether it was carried out.
    was_cut = has_lost_connection(exc) and not was_ended and not state.get(_COMMITTING)
    return sqlstate in _RETRYABLE or was_cut


def is_outcome_unknown(scope: Scope, exc: BaseException) -> bool:
    """Return whether the answer to a COMMIT was lost, so that the change may be stored or not."""
    return bool(scope["state"].get(_COMMITTING)) and has_lost_connection(exc)


def note_commit(scope: Scope) -> None:
    """Note that the COMMIT is sent from now on: after it a lost connection is no reason to run the request again."""
    scope["state"][_COMMITTING] = True
