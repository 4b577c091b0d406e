"""TCP keepalive: it notices within a minute that the host of a server or a process is gone."""

import socket

# Seconds of silence before the first probe, between two of them, and how many may stay without an answer.
IDLE, INTERVAL, COUNT = 30, 10, 3
# libpq's parameters for it; those of a URL take precedence.
LIBPQ_KEEPALIVES = {"keepalives_idle": IDLE, "keepalives_interval": INTERVAL, "keepalives_count": COUNT}


def enable_keepalive(connection: socket.socket | None) -> None:
    """Have the kernel probe the other side of a TCP connection, as often as this system allows to set."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", IDLE), ("TCP_KEEPINTVL", INTERVAL), ("TCP_KEEPCNT", COUNT)):
        if option := getattr(socket, name, None):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
