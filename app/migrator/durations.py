"""Format durations for people."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def format_duration(seconds: float) -> str:
    """Return the duration, given in seconds, in the unit that a person would use."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    for size, unit, below in ((_MINUTE, "min", _HOUR), (_HOUR, "h", _DAY * 2)):
        if seconds < below:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / _DAY:.0f} days"
