"""The phase of a revision."""

from enum import StrEnum


class Phase(StrEnum):
    """The phase of a revision: after EXPAND the previous release still works, after CONTRACT it does not."""

    EXPAND = "expand"
    CONTRACT = "contract"
