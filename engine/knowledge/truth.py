"""What a condition means: strong Kleene logic over what is known. Every other reader is held equal to this one.

`True` is known yes, `False` known no, `None` unknown. Unknown never becomes no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from .model import (
    LEAVES,
    All,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Findings,
    Impossible,
    Is,
    IsOneOf,
    Item,
    Knowledge,
    Not,
    OutOfRange,
    Score,
    TimesUpperLimit,
    leaves,
)
from .quantities import Interval

Truth = bool | None


def truth_word(truth: Truth) -> str:
    """`yes`, `no` or `unknown`."""
    return "unknown" if truth is None else "yes" if truth else "no"


def combined(condition: Condition, leaf: Callable[[Condition], Truth]) -> Truth:
    """The value of a tree, given the values of its leaves; no more of them are asked for than decide it."""
    if isinstance(condition, LEAVES):  # most are
        return leaf(condition)
    if isinstance(condition, Not):
        inner = combined(condition.child, leaf)
        return None if inner is None else not inner
    if isinstance(condition, All):
        return conjunction(combined(c, leaf) for c in condition.children)
    if isinstance(condition, AnyOf):
        return disjunction(combined(c, leaf) for c in condition.children)
    return at_least(condition.count, [combined(c, leaf) for c in condition.children])


def conjunction(values: Iterable[Truth]) -> Truth:
    """No as soon as one is no, yes when all are yes."""
    unknown = False
    for value in values:
        if value is False:
            return False
        unknown = unknown or value is None
    return None if unknown else True


def disjunction(values: Iterable[Truth]) -> Truth:
    """Yes as soon as one is yes, no when all are no."""
    unknown = False
    for value in values:
        if value:
            return True
        unknown = unknown or value is None
    return None if unknown else False


def at_least(count: int, values: list[Truth]) -> Truth:
    """Yes once `count` are yes, no once so many can no longer be."""
    if values.count(True) >= count:
        return True
    return False if len(values) - values.count(False) < count else None


class Valuation:
    """Everything that follows from one patient's findings, decided in order of dependency; or only what is `decided`, for
    conditions that rest on no more than that (`Knowledge.decided_for`)."""

    def __init__(self, knowledge: Knowledge, findings: Findings, decided: tuple[str, ...] | None = None) -> None:
        self.knowledge = knowledge
        self.findings = findings
        self.decided: dict[str, Truth] = {}
        self.scores: dict[str, Interval] = {}
        self._known: dict[int, tuple[Condition, Truth]] = {}  # by identity; each is held here, so that none is another
        for name in knowledge.decision_order if decided is None else decided:
            if name in knowledge.concepts:
                self.decided[name] = self.of(knowledge.concepts[name].when)
            elif name in knowledge.scores:
                self.scores[name] = self.total(knowledge.scores[name])
            else:
                self.decided[name] = self._gated(name)

    def of(self, condition: Condition) -> Truth:
        """Whether the condition is known yes, known no, or unknown."""
        if isinstance(condition, LEAVES):
            return self._leaf(condition)
        known = self._known.get(id(condition))
        if known is None:
            known = self._known[id(condition)] = (condition, combined(condition, self._leaf))
        return known[1]

    def truth_of(self, name: str) -> Truth:
        """Whether the yes-no finding or concept is known yes, known no, or unknown."""
        if name in self.decided:
            return self.decided[name]
        answer = self.findings.get(name)
        return None if answer is None else answer.truth

    def closed(self, name: str) -> bool:
        """Whether the finding is no only because its gate is: nobody answered it."""
        return name not in self.findings and self.decided.get(name) is False and name in self.knowledge.findings

    def arises(self, name: str) -> bool:
        """Whether it makes sense to ask for the finding: its gate is not no, nor does the gate wait for a finding for which
        it makes none."""
        gate = self.knowledge.findings[name].ask_when

        def read(leaf: Condition) -> Truth:
            assert isinstance(leaf, LEAVES)
            value = self._leaf(leaf)
            waits = value is None and leaf.name in self.knowledge.findings and leaf.name not in self.findings
            return False if waits and not self.arises(leaf.name) else value

        return gate is None or combined(gate, read) is not False

    def total(self, score: Score) -> Interval:
        """Where the total lies: one number once every item is decided."""
        return score_interval(score, [self.of(item.when) for item in score.counted])

    def _gated(self, name: str) -> Truth:
        finding = self.knowledge.findings[name]
        answer = self.findings.get(name)
        if answer is not None:
            return answer.truth
        assert finding.ask_when is not None
        return False if self.of(finding.ask_when) is False else None

    def _leaf(self, leaf: Condition) -> Truth:
        if isinstance(leaf, Is):
            return self.truth_of(leaf.name)
        if isinstance(leaf, Compare) and leaf.name in self.scores:
            return self.scores[leaf.name].compared(leaf.operator, leaf.limit)
        return leaf_truth(leaf, self.findings)


def score_interval(score: Score, values: Sequence[Truth]) -> Interval:
    """Where a score's total lies, given the truth of its counted items, in their order."""
    low = high = Decimal(0)
    for item, value in zip(score.items, values, strict=False):
        possible = [item.points] if value else [Decimal(0)] if value is False else [item.points, Decimal(0)]
        low += min(possible)
        high += max(possible)
    number = len(score.items)
    for group in score.one_of:
        possible = _first_that_may_hold(group, values[number : number + len(group)])
        number += len(group)
        low += min(possible)
        high += max(possible)
    return Interval(low, high)


def _first_that_may_hold(group: tuple[Item, ...], values: Sequence[Truth]) -> list[Decimal]:
    """The points of every item that may be the first to hold, or 0 when none may be."""
    possible = []
    for item, value in zip(group, values, strict=True):
        if value is not False:
            possible.append(item.points)
        if value:
            return possible
    return [*possible, Decimal(0)]


def leaf_truth(leaf: Condition, findings: Findings) -> Truth:
    """The value of a leaf that speaks of a finding, from the answers alone."""
    assert isinstance(leaf, (Is, Compare, OutOfRange, TimesUpperLimit, IsOneOf))
    answer = findings.get(leaf.name)
    if answer is None:
        return None
    if isinstance(leaf, Is):
        return answer.truth
    if isinstance(leaf, IsOneOf):
        return answer.choice in leaf.values
    if isinstance(leaf, Compare):
        return answer.compared(leaf.operator, leaf.limit)
    if isinstance(leaf, OutOfRange):
        return answer.below_range() if leaf.side == "below" else answer.above_range()
    return answer.to_upper_limit(leaf.operator, leaf.factor)


def impossible(knowledge: Knowledge, findings: Findings) -> tuple[Impossible, ...]:
    """What the answers say together that cannot hold together."""
    return tuple(
        i for i in knowledge.impossible.values() if combined(i.when, lambda leaf: leaf_truth(leaf, findings)) is True
    )


def decisive(condition: Condition, leaf: Callable[[Condition], Truth], wanted: bool = True) -> tuple[str, ...]:
    """The names that make the tree what it is (yes, or no where that is `wanted`), each once; () when it is not."""
    if combined(condition, leaf) is not wanted:
        return ()
    if isinstance(condition, Not):
        return decisive(condition.child, leaf, not wanted)
    if isinstance(condition, (All, AnyOf, AtLeast)):
        return tuple(dict.fromkeys(name for child in condition.children for name in decisive(child, leaf, wanted)))
    return (condition.name,)


def missing(condition: Condition, valuation: Valuation) -> tuple[str, ...]:
    """The unknown findings that an undecided condition still waits for, in the order they are written."""
    names: dict[str, None] = {}
    _missing(condition, valuation, names, set())
    return tuple(names)


def _missing(condition: Condition, valuation: Valuation, names: dict[str, None], seen: set[str]) -> None:
    if valuation.of(condition) is not None:
        return
    if isinstance(condition, Not):
        _missing(condition.child, valuation, names, seen)
    elif isinstance(condition, (All, AnyOf, AtLeast)):
        for child in condition.children:
            _missing(child, valuation, names, seen)
    elif condition.name in seen:
        return
    else:
        seen.add(condition.name)
        knowledge = valuation.knowledge
        if condition.name in knowledge.concepts:
            _missing(knowledge.concepts[condition.name].when, valuation, names, seen)
        elif condition.name in knowledge.scores:
            score = knowledge.scores[condition.name]
            for item in score.counted:
                _missing(item.when, valuation, names, seen)
        else:
            names[condition.name] = None


def names_in(condition: Condition) -> tuple[str, ...]:
    """The names that a condition speaks of, each once, in the order they are written."""
    return tuple(dict.fromkeys(leaf.name for leaf in leaves(condition)))
