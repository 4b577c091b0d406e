"""Which casts keep every value, so that nothing is lost where a column gets another type."""

from .catalogue import Column

# Implicit casts that round: above 2^24 and 2^53 not every whole number is one of these types.
_ROUNDING = {
    "real": frozenset({"integer", "bigint", "numeric", "double precision"}),
    "double precision": frozenset({"bigint", "numeric"}),
}


def keeps_values(before: Column, after: Column, context: str | None) -> bool:
    """Return whether the cast of these types without their lengths, of this `castcontext`, keeps every value."""
    if before.base.removesuffix("[]") in _ROUNDING.get(after.base.removesuffix("[]"), ()):
        return False
    return before.base == after.base or context == "i" or after.is_string
