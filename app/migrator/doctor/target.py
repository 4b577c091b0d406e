"""The databases that are examined, each under the name of the setting that leads to it."""

from dataclasses import dataclass

from ...postgres.url.database_url import DatabaseURL


@dataclass(frozen=True)
class ConnectionTarget:
    """A URL, and the variable that names it."""

    variable: str
    url: DatabaseURL
