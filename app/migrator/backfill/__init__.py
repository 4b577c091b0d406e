"""Long work apart from revisions: the rows of a table are changed in batches, between two revisions.

`definition.py` says what a backfill is, `running.py` runs one, `state.py` keeps in the database how far it has come.
"""

from app.migrator.backfill.definition import Backfill

__all__ = ["Backfill"]
