"""Structures as text that a client keeps and sends back: printable, without white space."""

import base64
import binascii
from typing import TypeVar

import msgspec

StructT = TypeVar("StructT", bound=msgspec.Struct)


def packed(content: msgspec.Struct) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(content)).rstrip(b"=").decode()


def unpacked(text: str, shape: type[StructT]) -> StructT:
    """Return the structure of a text that `packed` made. Raises ValueError if it is none of this shape."""
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=shape)
    except (binascii.Error, msgspec.DecodeError, RecursionError) as exc:
        raise ValueError(text) from exc
