"""What every condition is for many patients at once: sets of patients as bits of two integers, one for yes and one for no.

The same meaning as `truth.py`, read for all patients together; tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..knowledge.model import (
    LEAVES,
    Answer,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Finding,
    Findings,
    Is,
    Knowledge,
    Leaf,
    Not,
    Score,
)
from ..knowledge.quantities import Interval
from ..knowledge.truth import Truth, leaf_truth, score_interval

Mask = int  # bit n stands for patient n


@dataclass(frozen=True)
class Truths:
    """For whom something is known yes, and for whom known no; for everyone else it is unknown."""

    yes: Mask
    no: Mask

    def __invert__(self) -> Truths:
        return Truths(self.no, self.yes)

    def differ(self, other: Truths) -> Mask:
        """For whom the two are not the same."""
        return (self.yes ^ other.yes) | (self.no ^ other.no)

    def parts(self, within: Mask) -> Iterator[tuple[Truth, Mask]]:
        """The patients `within`, by what it is for them; no part is empty."""
        for truth, some in ((True, within & self.yes), (False, within & self.no), (None, within & ~(self.yes | self.no))):
            if some:
                yield truth, some


def members(mask: Mask) -> Iterator[int]:
    """The numbers of the patients, rising."""
    digits = bin(mask)[:1:-1]
    number = digits.find("1")
    while number >= 0:
        yield number
        number = digits.find("1", number + 1)


class Patients:
    """The answers of many patients; what a leaf is for them is worked out once."""

    def __init__(self, findings: Sequence[Findings]) -> None:
        self.everyone: Mask = (1 << len(findings)) - 1
        self._answers: dict[str, list[tuple[int, Answer]]] = {}
        for number, answers in enumerate(findings):
            for name, answer in answers.items():
                self._answers.setdefault(name, []).append((number, answer))
        self._leaves: dict[Leaf, Truths] = {}

    def of(self, leaf: Leaf) -> Truths:
        """What a leaf about a finding is for each of them, from the answers alone."""
        if leaf not in self._leaves:
            yes: list[int] = []
            no: list[int] = []
            for number, answer in self._answers.get(leaf.name, ()):
                truth = leaf_truth(leaf, {leaf.name: answer})
                if truth is not None:
                    (yes if truth else no).append(number)
            self._leaves[leaf] = Truths(_mask(yes), _mask(no))
        return self._leaves[leaf]

    def answered(self, name: str) -> Mask:
        """Those of whom the finding is known."""
        return _mask(number for number, _ in self._answers.get(name, ()))


def _mask(numbers: Iterable[int]) -> Mask:
    found = 0
    for number in numbers:
        found |= 1 << number
    return found


class Reading:
    """What follows from the answers of all patients: concepts, scores and gated findings."""

    def __init__(self, patients: Patients) -> None:
        self.patients = patients
        self.decided: dict[str, Truths] = {}
        self.totals: dict[str, dict[Interval, Mask]] = {}

    @classmethod
    def whole(cls, knowledge: Knowledge, findings: Sequence[Findings]) -> Reading:
        """With all that follows for these patients decided."""
        reading = cls(Patients(findings))
        for name in knowledge.decision_order:
            reading.decide(knowledge, name)
        return reading

    def copy(self) -> Reading:
        """Another with the same values, to be decided otherwise."""
        other = Reading(self.patients)
        other.decided = dict(self.decided)
        other.totals = dict(self.totals)
        return other

    def decide(self, knowledge: Knowledge, name: str) -> Mask:
        """Works the concept, score or gated finding out of what is decided so far; for whom it is now otherwise."""
        if name in knowledge.scores:
            before = self.totals.get(name, {})
            self.totals[name] = self._total(knowledge.scores[name])
            same = (some & before.get(interval, 0) for interval, some in self.totals[name].items())
            return self.patients.everyone & ~_union(same)
        if name in knowledge.concepts:
            truths = self.of(knowledge.concepts[name].when)
        else:
            truths = self._gated(knowledge.findings[name])
        changed = truths.differ(self.decided.get(name, Truths(0, 0)))
        self.decided[name] = truths
        return changed

    def of(self, condition: Condition) -> Truths:
        """For whom the condition is yes, and for whom no."""
        if isinstance(condition, LEAVES):
            return self._leaf(condition)
        if isinstance(condition, Not):
            return ~self.of(condition.child)
        each = [self.of(child) for child in condition.children]
        if isinstance(condition, AtLeast):
            return self._at_least(condition.count, each)
        yes, no = (_common(t.yes for t in each), _union(t.no for t in each))
        if isinstance(condition, AnyOf):
            yes, no = (_union(t.yes for t in each), _common(t.no for t in each))
        return Truths(yes & self.patients.everyone, no & self.patients.everyone)

    def _at_least(self, count: int, each: list[Truths]) -> Truths:
        """Yes where `count` are yes, no where so many are no that the rest cannot be enough."""
        return Truths(
            self._so_many(count, [t.yes for t in each]), self._so_many(len(each) - count + 1, [t.no for t in each])
        )

    def _so_many(self, count: int, masks: list[Mask]) -> Mask:
        """Those who are in at least `count` of the masks."""
        reached = [self.patients.everyone, *[0] * max(0, count)]  # by how many masks
        for mask in masks:
            for number in range(len(reached) - 1, 0, -1):
                reached[number] |= reached[number - 1] & mask
        return reached[-1]

    def _leaf(self, leaf: Leaf) -> Truths:
        if isinstance(leaf, Is) and leaf.name in self.decided:
            return self.decided[leaf.name]
        if isinstance(leaf, Compare) and leaf.name in self.totals:
            yes = no = 0
            for interval, some in self.totals[leaf.name].items():
                truth = interval.compared(leaf.operator, leaf.limit)
                yes |= some if truth is True else 0
                no |= some if truth is False else 0
            return Truths(yes, no)
        return self.patients.of(leaf)

    def _gated(self, finding: Finding) -> Truths:
        assert finding.ask_when is not None
        answered = self.patients.of(Is(finding.name))
        closed = self.of(finding.ask_when).no & ~self.patients.answered(finding.name)
        return Truths(answered.yes, answered.no | closed)

    def _total(self, score: Score) -> dict[Interval, Mask]:
        parts: list[tuple[tuple[Truth, ...], Mask]] = [((), self.patients.everyone)]
        for item in score.counted:
            truths = self.of(item.when)
            parts = [((*values, truth), some) for values, within in parts for truth, some in truths.parts(within)]
        totals: dict[Interval, Mask] = {}
        for values, some in parts:
            interval = score_interval(score, values)
            totals[interval] = totals.get(interval, 0) | some
        return totals


def _common(masks: Iterable[Mask]) -> Mask:
    found = -1
    for mask in masks:
        found &= mask
    return found


def _union(masks: Iterable[Mask]) -> Mask:
    found = 0
    for mask in masks:
        found |= mask
    return found
