"""What the layers tell each other of a database session, in its `info`."""

# Others are told of the commit.
WAITED_FOR = "waited_for"
# The driver is asyncpg, to which statements can be handed as they are.
BY_DRIVER = "by_driver"
