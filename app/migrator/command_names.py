"""How people call the engine's commands, for messages that say what to type next."""

# Commands that Alembic has itself: the engine's own command line leaves them to `alembic`.
_ALEMBIC = {
    "merge": "merge",
    "stamp": "stamp",
}
PREFIX = "python -m plimsoll_migrator"
_prefix = PREFIX
_has_alembics = False


def set_command_prefix(prefix: str, *, has_alembics: bool) -> None:
    """Set the words before a command's name; `has_alembics` says that Alembic's own commands have the same prefix."""
    global _prefix, _has_alembics
    _prefix, _has_alembics = prefix, has_alembics


def command(name: str) -> str:
    """Return what to type for the command of this name, without its arguments."""
    if name in _ALEMBIC and not _has_alembics:
        return f"alembic {_ALEMBIC[name]}"
    return f"{_prefix} {name}"


def upgrade_command() -> str:
    return f"{command('upgrade')} --no-prompt"
