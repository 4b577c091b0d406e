"""The numbers by which the environment limits the engine, with their defaults and ranges; times are in seconds."""

from typing import Generic, NamedTuple, TypeVar

NumberT = TypeVar("NumberT", int, float)


class LimitSetting(NamedTuple, Generic[NumberT]):
    """One number: its default, and the smallest and the largest value that it may have."""

    default: NumberT
    least: NumberT
    most: NumberT


CONNECT_TIMEOUT = LimitSetting(30.0, 0.1, 3600.0)
STATEMENT_TIMEOUT = LimitSetting(60.0, 0.1, 86_400.0)
LOCK_WAIT = LimitSetting(60.0, 0.0, 86_400.0)
LOCK_TIMEOUT = LimitSetting(2.0, 0.01, 3600.0)
LOCK_RETRIES = LimitSetting(10, 0, 1000)
