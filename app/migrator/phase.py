"""The phase of a revision."""

from enum import StrEnum


class Phase(StrEnum):
    """Whether the previous release still works after a revision: after EXPAND it does, after CONTRACT it does not."""

    EXPAND = "expand"
    CONTRACT = "contract"
