"""Patients that tell a mutant from the original: found by setting what its conditions rest on, or by a search that is given.

The search here is simple: it looks at a few dozen patients a mutant, and that it finds none proves nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ..knowledge.cases import Case, with_derived
from ..knowledge.model import (
    CHOICE,
    LEAVES,
    NOWHERE,
    YES_NO,
    All,
    Answer,
    AnyOf,
    Compare,
    Concept,
    Condition,
    Diagnosis,
    Findings,
    Is,
    Knowledge,
    Leaf,
    Not,
    OutOfRange,
    RedFlag,
    Rule,
    Score,
    TimesUpperLimit,
)
from ..knowledge.quantities import Interval
from ..knowledge.truth import leaf_truth
from .killing import Trial, conditions_in
from .masks import members
from .mutation import Mutant

MOST_STEPS = 500  # of the search for one condition
MOST_WAYS = 8  # to one goal that are tried


@dataclass(frozen=True)
class Equal:
    """A proof that the mutant concludes of every patient what the original does."""


Search = Callable[[Knowledge, Mutant], Findings | Equal | None]


def search(knowledge: Knowledge, mutant: Mutant) -> Findings | Equal | None:
    """A patient of whom the two conclude otherwise; None where the few that are tried are none."""
    tried = {}
    for goal in _goals(knowledge, mutant):
        for answers in itertools.islice(_Ways(knowledge).of(goal, True, {}), MOST_WAYS):
            findings = with_derived(dict(sorted(answers.items())), knowledge)
            if findings is not None:
                tried[tuple(findings.items())] = findings
    patients = sorted(tried.values(), key=len)
    trial = Trial(knowledge, [patient_case(findings) for findings in patients])
    return next((patients[number] for number in members(trial.verdict(mutant).differing)), None)


def patient_case(findings: Findings) -> Case:
    """A case of which nothing is known but the findings."""
    return Case(name="", findings=findings, given={}, place=NOWHERE)


def _goals(knowledge: Knowledge, mutant: Mutant) -> Iterator[Condition]:
    """Conditions under which the two may come apart."""
    needs, support = (All(()), All(())) if not mutant.diagnosis else _support(knowledge, mutant.diagnosis)
    for core in _cores(mutant):
        yield core
        if mutant.diagnosis:
            yield All((needs, core))
            yield All((needs, support, core))


def _cores(mutant: Mutant) -> Iterator[Condition]:
    before, after = mutant.before, mutant.after
    if isinstance(before, Score) and isinstance(after, Score):
        alike = len(before.counted) == len(after.counted)
        pairs = [(b, a) for b, a in itertools.zip_longest(before.counted, after.counted, fillvalue=None) if b != a]
        for b, a in pairs:
            if b is not None and a is not None and alike:
                yield from _apart(b.when, a.when)
            if b is not None:
                yield b.when
        return
    if isinstance(before, Concept) and isinstance(after, Concept):
        yield from _apart(before.when, after.when)
        return
    slots = conditions_in(after)
    for slot, condition in conditions_in(before).items():
        if condition != slots[slot]:
            yield from _apart(condition, slots[slot])
    if isinstance(before, (Rule, RedFlag)):
        yield before.when
    if isinstance(before, Diagnosis):
        yield All(())


def _apart(before: Condition, after: Condition) -> Iterator[Condition]:
    yield All((before, Not(after)))
    yield All((Not(before), after))
    yield before
    yield after


def _support(knowledge: Knowledge, diagnosis: str) -> tuple[Condition, Condition]:
    """That what the diagnosis needs is met, and that a rule makes it likely or more."""
    entry = knowledge.diagnoses[diagnosis]
    rules = [rule for rule in knowledge.rules_of[diagnosis] if rule.is_for]
    rules.sort(key=lambda rule: (-knowledge.weighing.points(rule.then), rule.id))
    return All(entry.gates), AnyOf(tuple(rule.when for rule in rules[:MOST_WAYS]))


class _Ways:
    """How a condition can be made yes or no, beside what is settled already; so many steps and no more."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.steps = 0

    def of(self, condition: Condition, wanted: bool, known: dict[str, Answer]) -> Iterator[dict[str, Answer]]:
        """Each way, as all answers together."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            return
        if isinstance(condition, LEAVES):
            yield from self._of_leaf(condition, wanted, known)
        elif isinstance(condition, Not):
            yield from self.of(condition.child, not wanted, known)
        else:
            children, count = condition.children, 1
            if isinstance(condition, All):
                count = len(children)
            elif not isinstance(condition, AnyOf):
                count = condition.count
            count = count if wanted else len(children) - count + 1
            for chosen in itertools.combinations(children, count):
                yield from self._every(chosen, wanted, known)

    def _every(self, chosen: tuple[Condition, ...], wanted: bool, known: dict[str, Answer]) -> Iterator[dict[str, Answer]]:
        if not chosen:
            yield known
            return
        for first in self.of(chosen[0], wanted, known):
            yield from self._every(chosen[1:], wanted, first)

    def _of_leaf(self, leaf: Leaf, wanted: bool, known: dict[str, Answer]) -> Iterator[dict[str, Answer]]:
        knowledge = self.knowledge
        if leaf.name in knowledge.concepts:
            yield from self.of(knowledge.concepts[leaf.name].when, wanted, known)
        elif leaf.name in knowledge.scores:
            assert isinstance(leaf, Compare)
            yield from self._of_score(leaf, wanted, known)
        elif leaf.name in known:
            if leaf_truth(leaf, known) is wanted:
                yield known
        else:
            for answer in self._answers(leaf):
                if leaf_truth(leaf, {leaf.name: answer}) is wanted:
                    yield {**known, leaf.name: answer}

    def _of_score(self, leaf: Compare, wanted: bool, known: dict[str, Answer]) -> Iterator[dict[str, Answer]]:
        """Some items hold, and all others do not."""
        items = self.knowledge.scores[leaf.name].counted
        for size in range(len(items) + 1):
            for chosen in itertools.combinations(range(len(items)), size):
                self.steps += 1
                total = sum((items[number].points for number in chosen), Decimal(0))
                if Interval(total, total).compared(leaf.operator, leaf.limit) is wanted:
                    held = tuple(items[n].when if n in chosen else Not(items[n].when) for n in range(len(items)))
                    yield from self._every(held, True, known)
                if self.steps > MOST_STEPS:
                    return

    def _answers(self, leaf: Leaf) -> Iterator[Answer]:
        """The answers worth trying: of a quantity, those at the limit and next to it."""
        finding = self.knowledge.findings[leaf.name]
        if finding.kind == YES_NO:
            yield from (Answer(truth=True), Answer(truth=False))
        elif finding.kind == CHOICE:
            yield from (Answer(choice=choice) for choice, _ in finding.choices)
        elif finding.scale is not None:
            scale = finding.scale
            step = Decimal(1).scaleb(-scale.decimals)
            for limit in _limits(leaf, scale.reference):
                near = {limit.quantize(step, how) for how in (ROUND_FLOOR, ROUND_CEILING)}
                for value in sorted({v + d for v in near for d in (-step, 0 * step, step)}):
                    if scale.plausible[0] <= value <= scale.plausible[1]:
                        yield Answer(quantity=Interval(value, value), reference=scale.reference)


def _limits(leaf: Leaf, reference: tuple[Decimal, Decimal] | None) -> list[Decimal]:
    if isinstance(leaf, Compare):
        return [leaf.limit]
    if reference is None or isinstance(leaf, Is):
        return []
    if isinstance(leaf, TimesUpperLimit):
        return [leaf.factor * reference[1], (leaf.factor + Decimal(1) / 2) * reference[1]]
    return [reference[0] if isinstance(leaf, OutOfRange) and leaf.side == "below" else reference[1]]
