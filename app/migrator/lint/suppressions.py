"""`lint_ignore` in the file of a revision, or beside the files: the findings that are fine, each with its reason."""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from alembic.script import Script

from ...postgres.errors import MigrationFailedError

RULE = "lint-ignore"
NAME = "lint_ignore"
ACCEPTED = "lint_ignore.toml"
# Shorter than this, nothing has been said.
_SHORTEST_REASON = 20
_FORM = 'lint_ignore = {"rule-name": "the reason why it is fine here"}'


@dataclass(frozen=True)
class Misuse:
    """What is wrong with a suppression, and how to correct it."""

    message: str
    rewrite: str


@dataclass(frozen=True)
class Suppressions:
    """The suppressed rules of one revision with their reasons, and what is wrong with the whole."""

    reasons: dict[str, str]
    misuse: Misuse | None = None

    def misuses(
        self, found: Set[str], is_rule: Callable[[str], bool], unchecked: Set[str] = frozenset()
    ) -> Iterator[Misuse]:
        """Yield what is wrong with them; `found` are the rules that found something, `unchecked` those not asked."""
        if self.misuse:
            yield self.misuse
        for rule, reason in self.reasons.items():
            if rule not in found and not is_rule(rule):
                yield Misuse(
                    f"there is no rule {rule!r} that a revision can suppress", "Correct the name, or remove it."
                )
            elif rule not in found and rule not in unchecked:
                yield Misuse(f"{rule} finds nothing here, and needs no suppression", "Remove it.")
            elif len(reason.strip()) < _SHORTEST_REASON:
                yield Misuse(f"{rule} is suppressed without a reason", "Say why it is fine here, in a sentence.")


def read_suppressions(script: Script, accepted: Mapping[str, object]) -> Suppressions:
    """Return the suppressions in the revision's file, and those that `accepted` has for it."""
    found: dict[str, str] = {}
    for given, form in (
        (getattr(script.module, NAME, {}), _FORM),
        (accepted.get(script.revision, {}), f'[{script.revision}] in {ACCEPTED}, then rule-name = "the reason"'),
    ):
        if not isinstance(given, dict) or not all(isinstance(text, str) for pair in given.items() for text in pair):
            return Suppressions({}, Misuse("lint_ignore is not a dict of strings", form))
        found |= given
    return Suppressions(found)


def read_accepted(folder: Path) -> dict[str, object]:
    """Return the suppressions of revisions that were applied before a rule was there, and may no longer be edited.

    By their ids, each a dict of rules and reasons. Raises MigrationFailedError for a file that is no TOML.
    """
    file = folder / ACCEPTED
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise MigrationFailedError(f"{file} cannot be read: {exc}.") from exc
