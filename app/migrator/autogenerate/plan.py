"""The revisions that one generation writes: which steps share one, and in which order and phase they come.

A change takes one step or several, a chain of them. Steps that may run in one transaction without stopping the traffic
of two tables share a revision; what runs outside of a transaction has one of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from alembic.operations.ops import MigrateOperation

from ..drift.difference import Order
from ..lint.known_schema import KnownSchema
from ..phase import Phase
from ..revisions.requirements import Requirement
from .backfill_file import BackfillFile
from .effects import Mode, StepEffects, effects_of

# The rule that finds a step after which the previous release may fail.
CONTRACT_STEP = "contract-step-in-expand"
_PHASES = [Phase.EXPAND, Phase.CONTRACT]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What runs in one revision, and its way back; `order` says when it runs among the others.

    `phase` is the least that it has: what breaks the previous release makes it CONTRACT by itself. `requires` is
    the backfill that has to be done before it, and can run after the step before the first that requires it in the
    chain. `lint_ignore` has the rules that are overruled, with the reason; one that is so for its phase has a
    revision of its own. `assertions` have to be true of the rows before its revision.
    """

    order: Order
    up: tuple[MigrateOperation, ...]
    down: tuple[MigrateOperation, ...] = ()
    phase: Phase = Phase.EXPAND
    requires: BackfillFile | None = None
    lint_ignore: Mapping[str, str] = field(default_factory=dict)
    assertions: tuple[Requirement, ...] = ()


# Each step comes after the one before it, in the same revision or a later one.
Chain = Sequence[Step]


@dataclass(eq=False, kw_only=True)
class PlannedRevision:
    """A revision that is to be written.

    `backfills` are those that it requires, each with the revision after which it can run: None for those of today.
    """

    phase: Phase
    mode: Mode
    id: str = field(default_factory=lambda: uuid4().hex[-12:])
    steps: list[Step] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    touches: set[str] = field(default_factory=set)
    backfills: list[tuple[BackfillFile, "PlannedRevision | None"]] = field(default_factory=list)

    @property
    def lint_ignore(self) -> dict[str, str]:
        """What the steps have overruled, by rule, with each reason once."""
        reasons: dict[str, dict[str, None]] = {}
        for rule, reason in (pair for step in self.steps for pair in step.lint_ignore.items()):
            reasons.setdefault(rule, {})[reason] = None
        return {rule: "; ".join(given) for rule, given in reasons.items()}

    @property
    def assertions(self) -> list[Requirement]:
        return list(dict.fromkeys(each for step in self.steps for each in step.assertions))

    @property
    def up(self) -> list[MigrateOperation]:
        return [operation for step in self.steps for operation in step.up]

    @property
    def down(self) -> list[MigrateOperation]:
        return [operation for step in reversed(self.steps) for operation in step.down]

    def takes(self, phase: Phase, effects: StepEffects, assertions: Sequence[Requirement] = ()) -> bool:
        """Return whether a step may join: while it waits for one table, no other may be locked already."""
        if (self.phase, self.mode) != (phase, effects.mode) or self.mode is Mode.ALONE:
            return False
        # What the steps before it do may be what makes the assertions true.
        if CONTRACT_STEP in self.lint_ignore or (assertions and not all(step.assertions for step in self.steps)):
            return False
        waits = [table for table in effects.locks if table not in self.locks]
        if self.mode is Mode.VALIDATES or not waits:
            return True
        if effects.is_foreign_key:
            return set(self.locks) <= set(effects.locks[:1])
        return len({*self.locks, *effects.locks}) == 1

    def is_independent_of(self, effects: StepEffects) -> bool:
        """Return whether the step may run before this revision."""
        return bool(effects.touches and self.touches) and effects.touches.isdisjoint(self.touches)

    def add(self, step: Step, effects: StepEffects, after: "PlannedRevision | None") -> None:
        self.steps.append(step)
        self.locks += [table for table in effects.locks if table not in self.locks]
        self.touches |= effects.touches
        if step.requires and step.requires not in [backfill for backfill, _ in self.backfills]:
            self.backfills.append((step.requires, after))


@dataclass(eq=False)
class _Placed:
    """A step of a chain, its phase and order there, and the revision that it has joined."""

    step: Step
    effects: StepEffects
    phase: Phase
    order: Order
    position: int
    before: "_Placed | None"
    revision: PlannedRevision | None = None

    @property
    def requires_first(self) -> bool:
        """Whether it requires a backfill that no step before it in the chain does."""
        earlier = self.before
        while earlier is not None and earlier.step.requires != self.step.requires:
            earlier = earlier.before
        return self.step.requires is not None and earlier is None


def plan(chains: Iterable[Chain], known: KnownSchema) -> list[PlannedRevision]:
    """Return the revisions, in their order; `known` is the schema as the revisions so far have made it."""
    placed = [each for chain in chains for each in _with_effects(chain, known)]
    revisions: list[PlannedRevision] = []
    for each in sorted(placed, key=lambda each: (_PHASES.index(each.phase), each.order, each.position)):
        _place(each, revisions)
    return revisions


def _with_effects(chain: Chain, known: KnownSchema) -> Iterable[_Placed]:
    before: _Placed | None = None
    for position, step in enumerate(chain):
        effects, known = effects_of(step.up, known)
        breaks = effects.is_contract and CONTRACT_STEP not in step.lint_ignore
        phase = Phase.CONTRACT if breaks else step.phase
        order = step.order
        if before is not None:
            phase = max(phase, before.phase, key=_PHASES.index)
            order = max(order, before.order)
        before = _Placed(step, effects, phase, order, position, before)
        yield before


def _place(each: _Placed, revisions: list[PlannedRevision]) -> None:
    former = each.before.revision if each.before else None
    first = revisions.index(former) if former else 0
    if former and each.requires_first:
        first += 1
    is_apart = CONTRACT_STEP in each.step.lint_ignore
    for revision in reversed(revisions[first:] if not is_apart else []):
        if revision.takes(each.phase, each.effects, each.step.assertions):
            each.revision = revision
            break
        if not revision.is_independent_of(each.effects):
            break
    if each.revision is None:
        each.revision = PlannedRevision(phase=each.phase, mode=each.effects.mode)
        revisions.append(each.revision)
    each.revision.add(each.step, each.effects, former)
