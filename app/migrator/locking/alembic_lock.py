"""Let one thread at a time use Alembic, whose context and operations belong to the whole process."""

from threading import RLock

# Reentrant: an upgrade prints revisions offline, too.
ALEMBIC_LOCK = RLock()
