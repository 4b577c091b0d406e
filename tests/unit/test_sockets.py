"""The sockets of the server, before it serves."""

import socket
from pathlib import Path

import pytest

from app.server.sockets import Address, CannotListenError, bind_sockets, listen


def test_whoever_listens_first_has_the_port() -> None:
    with bind_sockets(Address("127.0.0.1", 0)) as first:
        address = Address("127.0.0.1", 0).with_port_of(first)
        with bind_sockets(address) as second:
            listen(first, address, 1)
            with pytest.raises(CannotListenError, match=rf"{address}: another process listens there.* --port "):
                listen(second, address, 1)


def test_unix_socket_that_a_dead_server_has_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    address = Address(None, 0, uds=str(path))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with bind_sockets(address) as sockets:
        listen(sockets, address, 1)
        with pytest.raises(CannotListenError, match=r"another process listens there.* --uds"), bind_sockets(address):
            pass
    assert not path.exists()


def test_descriptor_of_a_listening_socket_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given, bind_sockets(Address(None, 0, fd=given.fileno())) as (taken,):
        assert taken.getsockname() == given.getsockname()
