"""The session of a request: one connection until it closes, from the primary or from a replica."""

from typing import Any, cast

from advanced_alchemy.config.routing import RoutingConfig
from advanced_alchemy.routing import ReplicaSelector
from advanced_alchemy.routing.session import RoutingSyncSession
from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncSession

_ROUTING = RoutingConfig()


class SingleConnectionSession(RoutingSyncSession):
    """A session that has one connection until it closes, for its transactions and for statements outside of them.

    So a request holds one connection at most, and never waits for a second one while it holds the first.

    All statements go to the primary until `read_from` is called. From then on Advanced Alchemy's routing decides for
    each statement: one that only reads goes to the replica; one that writes or locks goes to the primary, with
    everything that follows in its transaction.
    """

    _held: Connection | None = None

    def __init__(self, default_engine: Engine | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - as the session's
        # It is None in an application that has not been started, which answers what needs no database all the same.
        super().__init__(_ROUTING, {}, cast("Engine", default_engine), **kwargs)

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:  # type: ignore[override]  # noqa: ANN401
        engine = super().get_bind(*args, **kwargs)
        return self._held if self._held is not None and self._held.engine is engine else engine

    def read_from(self, selector: ReplicaSelector[Engine] | None) -> None:
        """Read from this replica from now on; None is the primary. Call it between two transactions."""
        self.release_connection()
        self._selectors = {} if selector is None else {_ROUTING.read_group: selector}

    @property
    def is_routed(self) -> bool:
        """Return whether it reads from another server than it writes to."""
        return bool(self._selectors)

    def acquire_connection(self) -> tuple[Connection, Any]:
        """Return the session's connection, and the driver's own connection within it.

        It comes from the pool if the session holds none yet, or has lost it.
        """
        held = self._held
        # By itself the session would look for it at each statement, by the rules of routing.
        if held is not None and held.in_transaction() and not self.is_routed:
            connection = held
        elif self.in_transaction():
            connection = self.connection()
        elif held is None:
            connection = self._held = super().get_bind().connect()
        else:
            connection = held
        return connection, connection.connection.driver_connection

    @property
    def holds_connection(self) -> bool:
        """Return whether `acquire_connection` returns at once."""
        return self._held is not None and not self._held.invalidated

    def close(self) -> None:
        super().close()
        self.release_connection()

    def release_connection(self) -> None:
        """Return the connection to the pool, between two transactions. Sends nothing to the server."""
        if self._held is not None:
            held, self._held = self._held, None
            held.close()


def release_connection(session: AsyncSession) -> None:
    """Return the connection of a session that is in no transaction; the session may be used further all the same."""
    sync_session = session.sync_session
    if isinstance(sync_session, SingleConnectionSession):
        sync_session.release_connection()


def holds_connection(session: AsyncSession) -> bool:
    """Return whether closing the session returns a connection to the pool."""
    sync_session = session.sync_session
    return sync_session.in_transaction() or (
        isinstance(sync_session, SingleConnectionSession) and sync_session.holds_connection
    )
