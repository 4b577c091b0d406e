"""What the layers tell each other of a database session, in its `info`."""

# Others are told of the commit.
WAITED_FOR = "waited_for"
# The driver is asyncpg, and no pooler would give the two halves of one of its statements to two servers.
BY_DRIVER = "by_driver"
