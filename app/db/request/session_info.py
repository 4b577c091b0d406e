"""Keys of a database session's `info`, in which the layers tell each other about it."""

# True: other processes are to be notified after the commit.
NOTIFY_ON_COMMIT = "notify_on_commit"
# True: the driver is asyncpg, which can be given prepared statements directly.
USES_ASYNCPG = "uses_asyncpg"
