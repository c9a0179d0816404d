"""What follows from all that may be known of a patient: levels, urgency, red flags and advice, as formulas for Z3.

Held equal to `truth.py` and `weighing.py` by tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

import z3

from ..inference.weighing import as_urgent_as, levels_asking_for
from ..knowledge.checks import resting
from ..knowledge.model import (
    AT_LEAST_LIKELY,
    AT_LEAST_POSSIBLE,
    LEVELS,
    URGENCIES,
    Compare,
    Condition,
    Diagnosis,
    Finding,
    Is,
    Item,
    Knowledge,
    Rule,
    Score,
)
from ..knowledge.truth import names_in
from .patients import FALSE, TRUE, Formula, Known, Number, Patients, tree

Thing = TypeVar("Thing")


class World:
    """A knowledge base over its patients: when each thing that it concludes is so."""

    def __init__(self, knowledge: Knowledge, patients: Patients) -> None:
        self.knowledge = knowledge
        self.patients = patients
        self._order = knowledge  # which says what is to be decided before what
        self._named: dict[str, Known] = {}
        self._scores: dict[str, tuple[Number, Number, int]] = {}
        self._rules: dict[str, Known] = {}
        self._flags: dict[str, Formula] = {}
        self._points: dict[str, list[tuple[Formula, int]]] = {}
        self._levels: dict[str, dict[str, Formula]] = {}

    def changed(self, knowledge: Knowledge, id: str) -> World:
        """The world of a knowledge base that differs in the one thing of this id, less what does not rest on it."""
        world = World(knowledge, self.patients)
        rest = self.resting_on([id])
        last = self.knowledge.of_exclusion  # which rest on everything
        world._order = knowledge if id in self.knowledge.depends_on else self._order
        world._named = _without(self._named, rest)
        world._scores = _without(self._scores, rest)
        world._rules = _without(self._rules, rest)
        world._flags = _without(self._flags, rest)
        world._points = _without(self._points, rest)
        world._levels = _without(self._levels, (*rest, *last))
        return world

    def resting_on(self, names: Iterable[str]) -> frozenset[str]:
        """The names, and the ids of all that rests on any of them: concepts, scores, rules, red flags, diagnoses and the
        like; but not of what a diagnosis of exclusion rests on, which is everything."""
        found = set(names)
        waiting = list(found)
        while waiting:
            new = self._readers.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        return frozenset(found)

    @cached_property
    def _readers(self) -> Mapping[str, frozenset[str]]:
        readers: dict[str, set[str]] = {}
        for owner, name, _ in resting(self.knowledge):
            readers.setdefault(name, set()).add(owner)
        for rule in self.knowledge.rules.values():
            readers.setdefault(rule.id, set()).add(rule.diagnosis)
        return {name: frozenset(owners) for name, owners in readers.items()}

    def near(self, names: Iterable[str], *diagnoses: str) -> frozenset[str]:
        """The ids of all that speaks of what these names and the rules of these diagnoses speak of, at whatever remove."""
        said = [condition for diagnosis in diagnoses for condition in self.knowledge.said_of(diagnosis)]
        return self.resting_on(self.knowledge.below([*names, *(name for condition in said for name in names_in(condition))]))

    def of(self, condition: Condition) -> Known:
        """When the condition is known yes, and when no."""
        for name in self._waiting(condition):
            if name in self.knowledge.scores:
                self._scores[name] = self._total(self.knowledge.scores[name])
            elif name in self.knowledge.concepts:
                self._named[name] = tree(self.knowledge.concepts[name].when, self._leaf)
            else:
                self._named[name] = self._gated(self.knowledge.findings[name])
        return tree(condition, self._leaf)

    def rule(self, id: str) -> Known:
        """When the rule fires, and when it is decided that it does not."""
        if id not in self._rules:
            self._rules[id] = self.of(self.knowledge.rules[id].when)
        return self._rules[id]

    def total(self, score: str) -> tuple[Number, Number]:
        """The least and the greatest total that the score can still have, in steps of its points."""
        self.of(Compare(score, ">=", Decimal(0)))
        return self._scores[score][:2]

    def flag(self, id: str) -> Formula:
        """When the red flag fires."""
        if id not in self._flags:
            self._flags[id] = self.of(self.knowledge.red_flags[id].when).yes
        return self._flags[id]

    def advised(self, id: str) -> Formula:
        """When nothing withholds the advice."""
        advice = self.knowledge.advice[id]
        unless = FALSE if advice.unless is None else self.of(advice.unless).yes
        return z3.And(self.of(advice.when).yes, z3.Not(unless))

    def shown(self, id: str, among: Set[str] | None = None) -> Formula:
        """When the patient is given the advice: the diagnosis is at possible or above, and nothing withholds it. `among` as
        for `levels`."""
        return z3.And(self.at_least(self.knowledge.advice[id].diagnosis, "possible", among), self.advised(id))

    def levels(self, diagnosis: str, among: Set[str] | None = None) -> Mapping[str, Formula]:
        """When the diagnosis is at each level; as `weighing.weigh`. One of exclusion is excluded by red flags and diagnoses
        `among` these alone, where they are given."""
        if among is not None and self.knowledge.diagnoses[diagnosis].is_of_exclusion:
            return self._levels_of(diagnosis, among)
        if diagnosis not in self._levels:
            self._levels[diagnosis] = self._levels_of(diagnosis, None)
        return self._levels[diagnosis]

    def at_least(self, diagnosis: str, level: str, among: Set[str] | None = None) -> Formula:
        """When the diagnosis is at the level or above; `among` as for `levels`."""
        levels = self.levels(diagnosis, among)
        return z3.Or([levels[x] for x in LEVELS[: LEVELS.index(level) + 1]])

    def as_urgent_as(self, urgency: str, among: Set[str] | None = None) -> Formula:
        """When the overall urgency is this one or higher; by red flags and diagnoses `among` these, if given."""
        wanted = as_urgent_as(urgency)
        if wanted == URGENCIES:
            return TRUE
        flags = (f.id for f in self.knowledge.red_flags.values() if f.urgency in wanted)
        asking = (d for d in self.knowledge.diagnoses if levels_asking_for(self.knowledge.diagnoses[d], urgency))
        return z3.Or(
            *(self.flag(f) for f in flags if among is None or f in among),
            *(self.asks_for(d, urgency) for d in asking if among is None or d in among),
        )

    def asks_for(self, diagnosis: str, urgency: str) -> Formula:
        """When the level of the diagnosis asks for this urgency or a higher one."""
        levels = levels_asking_for(self.knowledge.diagnoses[diagnosis], urgency)
        return z3.Or([self.levels(diagnosis)[x] for x in levels])

    def leads(self, diagnosis: str) -> Formula:
        """When the diagnosis comes first in the differential, at possible or above."""
        order = self.knowledge.order
        others = [other for other in order if other != diagnosis]
        return z3.And(
            self.at_least(diagnosis, "possible"),
            *(z3.Not(self._before(other, diagnosis, order.index(other) < order.index(diagnosis))) for other in others),
        )

    def _before(self, first: str, second: str, wins_ties: bool) -> Formula:
        higher = [z3.And(self.levels(first)[x], z3.Not(self.at_least(second, x))) for x in AT_LEAST_POSSIBLE]
        same = z3.Or([z3.And(self.levels(first)[x], self.levels(second)[x]) for x in AT_LEAST_POSSIBLE])
        ours, theirs = self.weighed(first), self.weighed(second)
        more = weighs_at_least([*ours, *((f, -w) for f, w in theirs)], 0 if wins_ties else 1)
        return z3.Or(*higher, z3.And(same, more))

    def _leaf(self, leaf: Condition) -> Known:
        if isinstance(leaf, Is) and leaf.name in self._named:
            return self._named[leaf.name]
        if isinstance(leaf, Compare) and leaf.name in self._scores:
            low, high, times = self._scores[leaf.name]
            return _between(low, high, leaf.operator, leaf.limit, times)
        return self.patients.leaf(leaf)

    def _waiting(self, condition: Condition) -> list[str]:
        """What the condition rests on and has no formula yet, each after all that it rests on itself."""
        depth, waiting = self._order.depth, dict[str, None]()
        names = list(names_in(condition))
        while names:
            name = names.pop()
            if name in depth and name not in waiting and name not in self._named and name not in self._scores:
                waiting[name] = None
                names += self._order.depends_on[name]
        return sorted(waiting, key=lambda name: (depth[name], name))

    def _gated(self, finding: Finding) -> Known:
        answer = self.patients.truth(finding.name)
        assert finding.ask_when is not None
        closed = tree(finding.ask_when, self._leaf).no
        return Known(answer.yes, z3.Or(answer.no, z3.And(closed, z3.Not(answer.yes))))

    def _total(self, score: Score) -> tuple[Number, Number, int]:
        """The least and the greatest total, in whole steps, and how many steps a point has; as `truth.score_interval`."""
        places = (-int(item.points.normalize().as_tuple().exponent) for item in score.counted)
        times = 10 ** max((0, *places))
        lows, highs = [z3.IntVal(0)], [z3.IntVal(0)]  # a score may count nothing
        for group in (*((item,) for item in score.items), *score.one_of):
            low, high = self._first_of(group, times)
            lows.append(low)
            highs.append(high)
        return z3.Sum(lows), z3.Sum(highs), times

    def _first_of(self, group: Sequence[Item], times: int) -> tuple[Number, Number]:
        low = high = z3.IntVal(0)
        for item in reversed(group):
            known, points = tree(item.when, self._leaf), z3.IntVal(int(item.points * times))
            low = z3.If(known.yes, points, z3.If(known.no, low, z3.If(points < low, points, low)))
            high = z3.If(known.yes, points, z3.If(known.no, high, z3.If(points > high, points, high)))
        return low, high

    def weighed(self, diagnosis: str) -> list[tuple[Formula, int]]:
        """What counts for and against the diagnosis, each with its points."""
        if diagnosis not in self._points:
            fired = {r.id: self.rule(r.id).yes for r in self.knowledge.rules_of[diagnosis]}
            self._points[diagnosis] = weights(self.knowledge, self.knowledge.rules_of[diagnosis], fired)
        return self._points[diagnosis]

    def _levels_of(self, diagnosis: str, among: Set[str] | None) -> dict[str, Formula]:
        entry = self.knowledge.diagnoses[diagnosis]
        rules = self.knowledge.rules_of[diagnosis]
        needs = Known(TRUE, FALSE) if entry.needs is None else self.of(entry.needs)
        if entry.is_of_exclusion:
            barred = self._barred(entry, among)
            needs = Known(z3.And(needs.yes, z3.Not(barred)), z3.Or(needs.no, barred))
        likely_needs = TRUE if entry.likely_when is None else self.of(entry.likely_when).yes
        known = {r.id: self.rule(r.id) for r in rules}
        standing = StandingFormulas(
            fired={r: k.yes for r, k in known.items()},
            open_for=z3.Or([z3.Not(z3.Or(known[r.id].yes, known[r.id].no)) for r in rules if r.is_for]),
            needs=needs,
            likely_needs=likely_needs,
        )
        return levels_of(self.knowledge, rules, self.weighed(diagnosis), standing)

    def _barred(self, entry: Diagnosis, among: Set[str] | None) -> Formula:
        """When something else is found, for which a diagnosis of exclusion is not supported; as `weighing.bars_to`."""
        flags = (f for f in self.knowledge.red_flags if among is None or f in among)
        others = (d for d in self.knowledge.before_exclusion if among is None or d in among)
        return z3.Or(
            *(self.of(leaf).yes for leaf in entry.needs_no),
            *(self.flag(flag) for flag in flags),
            *(self.at_least(other, AT_LEAST_LIKELY[-1]) for other in others),
        )


@dataclass(frozen=True)
class StandingFormulas:
    """What is decided about one diagnosis: when each rule has fired, and when one for it is still open."""

    fired: Mapping[str, Formula]
    open_for: Formula
    needs: Known
    likely_needs: Formula


def levels_of(
    knowledge: Knowledge, rules: Sequence[Rule], weighed: list[tuple[Formula, int]], standing: StandingFormulas
) -> dict[str, Formula]:
    """When the diagnosis of these rules is at each level; exactly one of them holds."""
    weighing, fired = knowledge.weighing, standing.fired
    excluded = z3.Or([fired[r.id] for r in rules if r.then == "excludes"])
    established = z3.And(z3.Or([fired[r.id] for r in rules if r.then == "establishes"]), standing.needs.yes)
    likely = weighs_at_least(weighed, weighing.likely)
    possible = weighs_at_least(weighed, weighing.possible)
    waits = z3.And(z3.Not(standing.needs.yes), z3.Not(standing.needs.no), z3.Or([fired[r.id] for r in rules if r.is_for]))
    hopeless = z3.Or(standing.needs.no, z3.Not(z3.Or(standing.open_for, waits)))
    in_turn = [  # the first that holds is the level
        ("contradictory", z3.And(excluded, established)),
        ("excluded", excluded),
        ("established", established),
        ("likely", z3.And(standing.needs.yes, possible, likely, standing.likely_needs)),
        ("possible", z3.And(standing.needs.yes, possible)),
        ("unlikely", z3.Not(weighs_at_least(weighed, weighing.unlikely + 1))),
        ("not supported", hopeless),
        ("undecided", z3.Or([fired[r.id] for r in rules])),
        ("not assessed", TRUE),
    ]
    levels: dict[str, Formula] = {}
    before: list[Formula] = []
    for level, formula in in_turn:
        levels[level] = z3.And(formula, *(z3.Not(b) for b in before))
        before.append(formula)
    return levels


def weights(knowledge: Knowledge, rules: Iterable[Rule], fired: Mapping[str, Formula]) -> list[tuple[Formula, int]]:
    """What counts for a diagnosis, with its points: of a cluster only the strongest for and the strongest against."""
    found: list[tuple[Formula, int]] = []
    clusters: dict[tuple[str, bool], list[Rule]] = {}
    for rule in rules:
        if rule.then not in ("establishes", "excludes"):
            key = (rule.cluster or f"alone: {rule.id}", rule.is_for)
            clusters.setdefault(key, []).append(rule)
    for members in clusters.values():
        strengths = sorted({knowledge.weighing.points(r.then) for r in members}, key=abs)
        below = 0
        for points in strengths:  # each strength adds what it has more than the one below
            as_strong = [fired[r.id] for r in members if abs(knowledge.weighing.points(r.then)) >= abs(points)]
            found.append((z3.Or(as_strong), points - below))
            below = points
    return found


def weighs_at_least(weighed: Iterable[tuple[Formula, int]], points: int) -> Formula:
    """When the weights of the formulas that hold sum to at least so many points."""
    parts = [(f, w) if w > 0 else (z3.Not(f), -w) for f, w in weighed if w]
    wanted = points - sum(w for _, w in weighed if w < 0)
    if wanted <= 0:
        return TRUE
    return z3.PbGe(parts, wanted) if sum(w for _, w in parts) >= wanted else FALSE


def _between(low: Number, high: Number, operator: str, limit: Decimal, times: int) -> Known:
    """As `Interval.compared`, of an interval with both ends in it."""
    above, below = (limit * times).as_integer_ratio()
    least, most = (low, high) if below == 1 else (low * below, high * below)
    at_least, more = Known(least >= above, most < above), Known(least > above, most <= above)
    known = at_least if operator in (">=", "<") else more
    return known if operator in (">=", ">") else Known(known.no, known.yes)


def _without(things: Mapping[str, Thing], names: Iterable[str]) -> dict[str, Thing]:
    kept = dict(things)
    for name in names:
        kept.pop(name, None)
    return kept
