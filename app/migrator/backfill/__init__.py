"""Long work apart from revisions: the rows of a table are changed in batches, between two revisions.

`definition.py` says what a backfill is, and `runs.py` runs several. `executor.py` runs one: a batch of `batch.py` after
the other, as fast as `throttle.py` allows. `records.py` keeps in the database how far it has come, and `status.py`
tells what is left.
"""

from .definition import Backfill

__all__ = ["Backfill"]
