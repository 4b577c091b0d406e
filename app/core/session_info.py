"""What the layers tell each other of a database session, in its `info`."""

# Others are told of the commit.
NOTIFY_ON_COMMIT = "notify_on_commit"
# The driver is asyncpg, to which statements can be handed as they are.
BY_DRIVER = "by_driver"
