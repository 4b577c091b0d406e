"""Every hero begins at level one."""

from plimsoll_migrator import Backfill

backfill = Backfill(table="hero", after="0002", where="level IS NULL", update="UPDATE hero SET level = 1 WHERE {batch}")
