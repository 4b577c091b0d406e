"""The ALTER statement that resets a setting, which depends on where the session has it from."""

from typing import NamedTuple

from sqlalchemy import Connection, text

from ..sql.quoting import quote

_SETTING = text(
    """
    SELECT source, session_user AS role, current_database() AS database,
           (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()) AS owner,
           -- 10 is the number of the role that initdb makes.
           pg_get_userbyid(10) AS superuser
    FROM pg_settings WHERE name = :name
    """
)


class Reset(NamedTuple):
    """A statement, and the role that may run it."""

    statement: str
    role: str


def find_reset(connection: Connection, name: str) -> Reset | None:
    """Return what takes the value away; None if the client has set it, or nobody has."""
    row = connection.execute(_SETTING, {"name": name}).one()
    database, role = f"DATABASE {quote(row.database)}", f"ROLE {quote(row.role)}"
    places = {
        "database": (database, row.owner),
        "user": (role, row.role),
        "database user": (f"{role} IN {database}", row.role),
        "global": ("ROLE ALL", row.superuser),
        "configuration file": ("SYSTEM", row.superuser),
    }
    if row.source not in places:
        return None
    place, may = places[row.source]
    return Reset(f"ALTER {place} RESET {name}", may)
