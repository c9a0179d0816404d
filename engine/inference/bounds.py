"""What may still follow: bounds over every way in which open questions can be answered, left unknown among them.

A condition's value becomes a set of truth values (`YES`, `NO`, `UNKNOWN` as bits). The set never leaves out a value that
some answers give; it may hold one that none gives, where a finding is read in two places. Where that matters, the finding
is taken case by case (`attainable`), so that rules which exclude each other are never added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from ..knowledge.checks import conditions_of
from ..knowledge.model import (
    CHOICE,
    LEAVES,
    YES_NO,
    All,
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
    OutOfRange,
    Scale,
    Score,
    TimesUpperLimit,
    leaves,
)
from ..knowledge.quantities import Interval
from ..knowledge.truth import Truth, combined, leaf_truth, names_in

YES, NO, UNKNOWN = 1, 2, 4
ANY = YES | NO | UNKNOWN
_MOST_CASES = 200  # views that one question is allowed before it counts as attainable

CLASSES = ("contradictory", "established", "likely", "possible", "")  # levels; '' is anything below possible
BELOW = len(CLASSES) - 1
_AT_LEAST_LIKELY = frozenset(range(CLASSES.index("possible")))

Evaluator = Callable[["View"], int]
Case = Answer | None  # what an open finding is taken to be; None is unknown


def mask_of(truth: Truth) -> int:
    """The set that holds one truth value."""
    return UNKNOWN if truth is None else YES if truth else NO


def opposite(mask: int) -> int:
    """The values of `not x`, given those of x."""
    return (mask & UNKNOWN) | (NO if mask & YES else 0) | (YES if mask & NO else 0)


@dataclass(frozen=True)
class Range:
    """What may become of one diagnosis."""

    classes: frozenset[int]  # indices into CLASSES
    low: int  # points
    high: int


@dataclass(frozen=True)
class _Root:
    """A condition made ready: how its values are worked out, and the findings that can have a say in them."""

    condition: Condition
    evaluate: Evaluator
    rests_on: frozenset[str]


class _Weight(NamedTuple):
    """A rule as bounds read it."""

    when: Condition
    then: str
    key: tuple[str, bool]  # by cluster and side
    points: int


class Horizon:
    """A knowledge base, prepared for asking what may still follow. Building it takes longer than a question: build once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._roots: dict[int, _Root] = {}
        self._under: dict[str, frozenset[str]] = {}
        self._deciding: dict[str, frozenset[str]] = {}
        self._weights: dict[str, tuple[_Weight, ...]] = {}
        self._cases: dict[str, tuple[Case, ...]] = {}
        self.scores = {name: _compiled_score(self, score) for name, score in knowledge.scores.items()}

    def root(self, condition: Condition) -> _Root:
        """The condition made ready; the same object for the same condition."""
        found = self._roots.get(id(condition))
        if found is None:
            names = frozenset[str]().union(*(self._names_under(leaf.name) for leaf in leaves(condition)))
            found = self._roots[id(condition)] = _Root(condition, self._compile(condition), names)
        return found

    def deciding(self, diagnosis: str) -> frozenset[str]:
        """The findings that can have a say in what is concluded about a diagnosis; in one of exclusion, through all else."""
        if diagnosis not in self._deciding:
            knowledge = self.knowledge
            entry = knowledge.diagnoses[diagnosis]
            found = {name for condition in knowledge.said_of(diagnosis) for name in self.root(condition).rests_on}
            if entry.is_of_exclusion:
                found |= {name for flag in knowledge.red_flags.values() for name in self.root(flag.when).rests_on}
                found |= {name for other in knowledge.before_exclusion for name in self.deciding(other)}
            self._deciding[diagnosis] = frozenset(found)
        return self._deciding[diagnosis]

    def weights(self, diagnosis: str) -> tuple[_Weight, ...]:
        """The rules for and against a diagnosis, made ready."""
        if diagnosis not in self._weights:
            points = self.knowledge.weighing.points
            self._weights[diagnosis] = tuple(
                # a rule of no cluster is one by itself
                _Weight(rule.when, rule.then, (rule.cluster or rule.id + " ", rule.is_for), abs(points(rule.then)))
                for rule in self.knowledge.rules_of[diagnosis]
            )
        return self._weights[diagnosis]

    @cached_property
    def impossible_of(self) -> Mapping[str, tuple[Condition, ...]]:
        """For each finding, what cannot hold together and speaks of it."""
        found: dict[str, list[Condition]] = {}
        for impossible in self.knowledge.impossible.values():
            for name in names_in(impossible.when):
                found.setdefault(name, []).append(impossible.when)
        return {name: tuple(conditions) for name, conditions in found.items()}

    @cached_property
    def tests(self) -> Mapping[str, tuple[Leaf, ...]]:
        """Every different leaf that reads a finding, by the finding's name."""
        found: dict[str, dict[Leaf, None]] = {}
        knowledge = self.knowledge
        gates = [f.ask_when for f in knowledge.findings.values() if f.ask_when is not None]
        conditions = [when for _, when, _ in conditions_of(knowledge)]
        for condition in (*conditions, *gates, *(i.when for i in knowledge.impossible.values())):
            for leaf in leaves(condition):
                found.setdefault(leaf.name, {})[leaf] = None
        return {name: tuple(of) for name, of in found.items()}

    def cases(self, name: str) -> tuple[Case, ...]:
        """Values of a finding such that any other reads like one of them, wherever it is read."""
        if name not in self._cases:
            self._cases[name] = self._different(self.knowledge.findings[name])
        return self._cases[name]

    def _different(self, finding: Finding) -> tuple[Case, ...]:
        if finding.kind == YES_NO:
            return (Answer(truth=True), Answer(truth=False), None)
        if finding.kind == CHOICE:
            return (*(Answer(choice=name) for name, _ in finding.choices), None)
        assert finding.scale is not None
        scale = finding.scale
        limits = set(limits_of(self.tests.get(finding.name, ()), scale.reference))
        low, high = scale.plausible
        values = [Interval(v, v) for v in cells(scale, limits)]
        if low in limits:  # off the scale: said of the least plausible value, '< 0' lies below that limit, too
            values.append(Interval(None, low, high_open=True))
        if high in limits:
            values.append(Interval(high, None, low_open=True))
        return tuple(Answer(quantity=value, reference=scale.reference) for value in values)

    def _names_under(self, name: str) -> frozenset[str]:
        """The findings that can have a say in a name, through concepts, scores, gates and derived quantities."""
        if name not in self._under:
            found = {name}
            frontier = [name]
            while frontier:
                for below in self._directly_under(frontier.pop()):
                    if below not in found:
                        found.add(below)
                        frontier.append(below)
            self._under[name] = frozenset(found & self.knowledge.findings.keys())
        return self._under[name]

    def _directly_under(self, name: str) -> tuple[str, ...]:
        knowledge = self.knowledge
        if name in knowledge.concepts:
            return names_in(knowledge.concepts[name].when)
        if name in knowledge.scores:
            return tuple(n for item in knowledge.scores[name].counted for n in names_in(item.when))
        finding = knowledge.findings[name]
        gate = () if finding.ask_when is None else names_in(finding.ask_when)
        derived = None if finding.scale is None else finding.scale.derived
        return gate if derived is None else (*gate, *derived.inputs)

    def _compile(self, condition: Condition) -> Evaluator:
        if isinstance(condition, Not):
            child = self._compile(condition.child)
            return lambda view: opposite(child(view))
        if isinstance(condition, All):
            return _all([self._compile(c) for c in condition.children])
        if isinstance(condition, AnyOf):
            return _any([self._compile(c) for c in condition.children])
        if isinstance(condition, AtLeast):
            return _at_least(condition.count, [self._compile(c) for c in condition.children])
        if isinstance(condition, Is) and condition.name in self.knowledge.concepts:
            when = self.knowledge.concepts[condition.name].when
            return lambda view: view.of(when)
        if isinstance(condition, Compare) and condition.name in self.knowledge.scores:
            return _score_compared(condition)
        leaf = condition
        return lambda view: view.leaf(leaf)


class View:
    """The findings known, the questions open, and some of those taken as answered. What it works out, it keeps."""

    def __init__(
        self,
        horizon: Horizon,
        findings: Findings,
        open: frozenset[str],
        taken: Mapping[str, Case] | None = None,
        above: View | None = None,
    ) -> None:
        self.horizon = horizon
        self.findings = findings
        self.open = open
        self.taken: Mapping[str, Case] = {} if taken is None else taken
        self._above = above  # the same with less taken: what does not rest on the difference is not worked out again
        self._changed = frozenset[str]() if above is None else self.taken.keys() - above.taken.keys()
        self._values: dict[int, int] = {}
        self._scores: dict[str, tuple[Decimal, Decimal, Decimal, Decimal]] = {}
        self._reach: dict[str, Range] = {}
        self._known: dict[Leaf, int] = {} if above is None else above._known
        self._allowed: dict[str, int] = {} if above is None else above._allowed

    def taking(self, cases: Mapping[str, Case]) -> View:
        """The same with more open findings taken as answered so."""
        return View(self.horizon, self.findings, self.open, {**self.taken, **cases}, self)

    def of(self, condition: Condition) -> int:
        """The values that the condition may have."""
        found = self._values.get(id(condition))
        if found is None:
            root = self.horizon.root(condition)
            if self._above is not None and root.rests_on.isdisjoint(self._changed):
                found = self._above.of(condition)
            else:
                found = root.evaluate(self)
            self._values[id(condition)] = found
        return found

    def leaf(self, leaf: Leaf) -> int:
        """The values that a leaf over a finding may have."""
        name = leaf.name
        if name in self.open:
            closed = self._closed(name)
            if closed:
                return closed
            if name in self.taken:
                return self._as_taken(leaf)
            found = self._allowed.get(name)
            return self._narrowed(name) if found is None else found
        known = self._known.get(leaf)
        if known is None:
            known = self._settled(leaf)
            if known is None:
                return self._gated(name)
            self._known[leaf] = known
        return known

    def score(self, name: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Least and greatest lower end, least and greatest upper end of the score's total."""
        if name not in self._scores:
            self._scores[name] = self.horizon.scores[name](self)
        return self._scores[name]

    @property
    def is_impossible(self) -> bool:
        """Whether what is taken cannot hold together with what is known."""
        of = self.horizon.impossible_of
        return any(self._cannot_be(condition) for name in self.taken for condition in of.get(name, ()))

    def _cannot_be(self, condition: Condition) -> bool:
        """Whether the answers, known and taken, say together what cannot hold together. As where a case is read, only
        answers count, not what follows from a closed gate; a quantity that is taken may lie off the scale and says nothing.
        """

        def read(leaf: Condition) -> Truth:
            assert isinstance(leaf, LEAVES)
            case = self.taken.get(leaf.name)
            if case is None or case.quantity is not None:
                return None if leaf.name in self.taken else leaf_truth(leaf, self.findings)
            return leaf_truth(leaf, {leaf.name: case})

        return combined(condition, read) is True

    def _closed(self, name: str) -> int:
        """What an open finding is once its gate is no, since it is then not asked; 0 while it may become known."""
        finding = self.horizon.knowledge.findings[name]
        if finding.ask_when is None or self.of(finding.ask_when) != NO or self._may_be_derived(finding):
            return 0
        return NO if finding.when_closed_no else UNKNOWN

    def _as_taken(self, leaf: Leaf) -> int:
        case = self.taken[leaf.name]
        if case is None:
            return UNKNOWN
        if case.quantity is None:
            return mask_of(leaf_truth(leaf, {leaf.name: case}))
        # A value off the scale lies in several cells at once, and a laboratory may bring its own reference interval.
        if isinstance(leaf, (OutOfRange, TimesUpperLimit)):
            return ANY if case.reference is not None else UNKNOWN
        return mask_of(leaf_truth(leaf, {leaf.name: case})) | UNKNOWN

    def _narrowed(self, name: str) -> int:
        """What an open finding may be beside what is known: not that which would be impossible."""
        mask = ANY
        if self.horizon.knowledge.findings[name].kind == YES_NO:
            for condition in self.horizon.impossible_of.get(name, ()):
                for truth in (True, False):
                    if View(self.horizon, self.findings, self.open, {name: Answer(truth=truth)})._cannot_be(condition):
                        mask &= ~mask_of(truth)
        self._allowed[name] = mask
        return mask

    def _settled(self, leaf: Leaf) -> int | None:
        """The value of a leaf that no open question touches; None for a gated finding that nobody answered."""
        finding = self.horizon.knowledge.findings[leaf.name]
        truth = leaf_truth(leaf, self.findings)
        if truth is None and self._may_be_derived(finding):
            return ANY
        if leaf.name not in self.findings and finding.when_closed_no:
            return None
        return mask_of(truth)

    def _may_be_derived(self, finding: Finding) -> bool:
        """Whether answers may still make it follow from its inputs. Inputs that are all known have done so, or cannot."""
        if finding.scale is None or finding.scale.derived is None or self._is_exact(finding.name):
            return False
        inputs = finding.scale.derived.inputs
        return not all(map(self._is_exact, inputs)) and all(map(self._may_be_known, inputs))

    def _may_be_known(self, name: str) -> bool:
        return self._is_exact(name) or name in self.open or self._may_be_derived(self.horizon.knowledge.findings[name])

    def _is_exact(self, name: str) -> bool:
        answer = self.findings.get(name)
        return answer is not None and answer.quantity is not None and answer.quantity.exact is not None

    def _gated(self, name: str) -> int:
        gate = self.horizon.knowledge.findings[name].ask_when
        assert gate is not None
        mask = self.of(gate)
        return NO if mask == NO else UNKNOWN | NO if mask & NO else UNKNOWN

    def reach(self, diagnosis: str) -> Range:
        """The levels that the diagnosis may have, and its points; never too few."""
        found = self._reach.get(diagnosis)
        if found is None:
            if self._above is not None and self.horizon.deciding(diagnosis).isdisjoint(self._changed):
                found = self._above.reach(diagnosis)
            else:
                found = self._reach_of(diagnosis)
            self._reach[diagnosis] = found
        return found

    def _reach_of(self, diagnosis: str) -> Range:
        knowledge = self.horizon.knowledge
        weighing = knowledge.weighing
        entry = knowledge.diagnoses[diagnosis]
        most: dict[tuple[str, bool], int] = {}  # by cluster and side: the points that may count, and those that must
        least: dict[tuple[str, bool], int] = {}
        may = {"establishes": False, "excludes": False}
        must = dict(may)
        for when, then, key, points in self.horizon.weights(diagnosis):
            mask = self.of(when)
            if not mask & YES:
                continue
            if then in may:
                may[then] = True
                must[then] = must[then] or mask == YES
                continue
            most[key] = max(most.get(key, 0), points)
            if mask == YES:
                least[key] = max(least.get(key, 0), points)
        high = sum(p for (_, is_for), p in most.items() if is_for) - sum(p for (_, is_for), p in least.items() if not is_for)
        low = sum(p for (_, is_for), p in least.items() if is_for) - sum(p for (_, is_for), p in most.items() if not is_for)
        needs = YES if entry.needs is None else self.of(entry.needs)
        likely_needs = YES if entry.likely_when is None else self.of(entry.likely_when)
        barred = self._barred(diagnosis) if entry.is_of_exclusion else NO
        if barred == YES:
            return Range(frozenset((BELOW,)), low, high)
        classes = {BELOW} if barred & YES else set[int]()
        weighs = not must["establishes"] and not must["excludes"]
        if needs & YES:
            if may["establishes"] and may["excludes"]:
                classes.add(CLASSES.index("contradictory"))
            if may["establishes"] and not must["excludes"]:
                classes.add(CLASSES.index("established"))
            if weighs and high >= weighing.likely and likely_needs & YES:
                classes.add(CLASSES.index("likely"))
            if weighs and high >= weighing.possible and (low < weighing.likely or likely_needs != YES):
                classes.add(CLASSES.index("possible"))
        if needs != YES or (not must["establishes"] and (may["excludes"] or low < weighing.possible)):
            classes.add(BELOW)
        return Range(frozenset(classes), low, high)

    def _barred(self, diagnosis: str) -> int:
        """Whether something else may be found (yes), and whether nothing may be (no), for which a diagnosis of exclusion is
        not supported."""
        knowledge = self.horizon.knowledge
        flags = (flag.when for flag in knowledge.red_flags.values())
        found = [self.of(when) for when in (*knowledge.diagnoses[diagnosis].needs_no, *flags)]
        found += [self._likely(other) for other in knowledge.before_exclusion]
        if YES in found:
            return YES
        return YES | NO if any(mask & YES for mask in found) else NO

    def _likely(self, diagnosis: str) -> int:
        """Whether the diagnosis may be likely or above (yes), and whether it may be less (no)."""
        classes = self.reach(diagnosis).classes
        at_least = classes & _AT_LEAST_LIKELY
        return (YES if at_least else 0) | (NO if classes - at_least else 0)


# Questions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """A condition, and the values that would bring a goal about."""

    condition: Condition
    values: int


def attainable(view: View, goal: Callable[[View], bool], wishes: Iterable[Wish]) -> bool:
    """Whether some answers may bring about what `goal` asks of a view. No means: none does, whatever is answered.

    `goal` must be true of a view whenever it is true of one with more taken. `wishes` say what helps it; they decide which
    findings are taken case by case, and so how often the answer is yes although no answers bring it about, but not whether
    a no is right.
    """
    wanted = tuple(wishes)
    left = [_MOST_CASES]

    def search(view: View) -> bool:
        left[0] -= 1
        if left[0] < 0:
            return True
        if not goal(view):
            return False
        split = _in_conflict(view, wanted)
        if split is None:
            return True
        return any(not after.is_impossible and search(after) for after in (view.taking({split[0]: c}) for c in split[1]))

    return search(view)


def _in_conflict(view: View, wishes: tuple[Wish, ...]) -> tuple[str, list[Case]] | None:
    """An open finding that no single value suits everywhere, the one that most hangs on; its cases, most suitable first."""
    asked: dict[str, dict[tuple[Leaf, int], None]] = {}
    seen: set[tuple[str, int]] = set()
    for wish in wishes:
        for leaf, values in _asked_of(view, wish.condition, wish.values, seen):
            if leaf.name in view.open and leaf.name not in view.taken:
                asked.setdefault(leaf.name, {})[leaf, values] = None
    worst: tuple[int, str, list[Case]] | None = None
    for name in sorted(asked):
        tests = list(asked[name])
        if len(tests) < 2 or (worst is not None and worst[0] >= len(tests)):
            continue
        suited = [
            (sum(1 for leaf, values in tests if mask_of(_read(leaf, case)) & values), number, case)
            for number, case in enumerate(view.horizon.cases(name))
        ]
        if max(count for count, _, _ in suited) == len(tests):
            continue
        suited.sort(key=lambda entry: (-entry[0], entry[1]))
        worst = (len(tests), name, [case for _, _, case in suited])
    return None if worst is None else worst[1:]


def _read(leaf: Leaf, case: Case) -> Truth:
    return None if case is None else leaf_truth(leaf, {leaf.name: case})


def _asked_of(view: View, condition: Condition, values: int, seen: set[tuple[str, int]]) -> Iterator[tuple[Leaf, int]]:
    """The leaves over findings that have a say in whether the condition has one of `values`, and what each would have to be.
    None where that is so whatever is answered, or never."""
    mask = view.of(condition)
    if not mask & ~values or not mask & values:
        return
    knowledge = view.horizon.knowledge
    if isinstance(condition, Not):
        yield from _asked_of(view, condition.child, opposite(values), seen)
    elif isinstance(condition, (All, AnyOf, AtLeast)):
        for child in condition.children:
            yield from _asked_of(view, child, values, seen)
    elif condition.name in knowledge.concepts:
        if (condition.name, values) not in seen:
            seen.add((condition.name, values))
            yield from _asked_of(view, knowledge.concepts[condition.name].when, values, seen)
    elif condition.name in knowledge.scores:
        assert isinstance(condition, Compare)
        rising = condition.operator in (">", ">=")
        for item in knowledge.scores[condition.name].counted:
            yield from _asked_of(view, item.when, values if (item.points > 0) == rising else opposite(values), seen)
    else:
        yield condition, values


def open_in(view: View, condition: Condition, values: int) -> Iterator[str]:
    """The open findings that have a say in whether the condition has one of `values`, each perhaps more than once."""
    seen: set[tuple[str, int]] = set()
    for leaf, wanted in _asked_of(view, condition, values, seen):
        yield from _open_under(view, leaf.name, wanted)


def _open_under(view: View, name: str, values: int) -> Iterator[str]:
    if name in view.open:
        yield name
        return
    finding = view.horizon.knowledge.findings[name]
    if finding.scale is not None and finding.scale.derived is not None:
        for of in finding.scale.derived.inputs:
            yield from _open_under(view, of, values)
    elif finding.when_closed_no and finding.ask_when is not None and name not in view.findings:
        yield from open_in(view, finding.ask_when, values if values & NO else opposite(values))


# Values and truth tables ---------------------------------------------------------------------------------------------


def cells(scale: Scale, limits: Iterable[Decimal]) -> tuple[Decimal, ...]:
    """Plausible values of the quantity such that any other compares with every limit as one of them does; rising."""
    low, high = scale.plausible
    step = Decimal(1).scaleb(-scale.decimals)
    found = {low, high}
    for limit in limits:
        found.update(v for v in (limit - step, limit, limit + step) if low <= v <= high)
    return tuple(sorted(found))


def limits_of(told: Iterable[Leaf], reference: tuple[Decimal, Decimal] | None) -> Iterator[Decimal]:
    """The numbers that leaves over one quantity compare it with, by this reference interval."""
    for leaf in told:
        if isinstance(leaf, Compare):
            yield leaf.limit
        elif isinstance(leaf, OutOfRange) and reference is not None:
            yield reference[0] if leaf.side == "below" else reference[1]
        elif isinstance(leaf, TimesUpperLimit) and reference is not None:
            yield leaf.factor * reference[1]


def _all(children: list[Evaluator]) -> Evaluator:
    def evaluate(view: View) -> int:
        yes, others = YES, 0
        for child in children:
            mask = child(view)
            if mask == NO:
                return NO
            yes &= mask
            others |= mask
        return yes | others & (NO | UNKNOWN)

    return evaluate


def _any(children: list[Evaluator]) -> Evaluator:
    def evaluate(view: View) -> int:
        no, others = NO, 0
        for child in children:
            mask = child(view)
            if mask == YES:
                return YES
            no &= mask
            others |= mask
        return no | others & (YES | UNKNOWN)

    return evaluate


def _at_least(count: int, children: list[Evaluator]) -> Evaluator:
    def evaluate(view: View) -> int:
        masks = [child(view) for child in children]
        result = YES if sum(1 for m in masks if m & YES) >= count else 0
        if len(masks) - sum(1 for m in masks if m & NO) < count:
            result |= NO
        certain = sum(1 for m in masks if m == YES)
        if any(m & UNKNOWN for m in masks) and certain < count <= sum(1 for m in masks if m != NO):
            result |= UNKNOWN
        return result

    return evaluate


def _compiled_score(horizon: Horizon, score: Score) -> Callable[[View], tuple[Decimal, Decimal, Decimal, Decimal]]:
    single = [(horizon._compile(item.when), item.points) for item in score.items]
    groups = [(group, [horizon._compile(item.when) for item in group]) for group in score.one_of]
    nothing = Decimal(0)

    def evaluate(view: View) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        ends = [nothing] * 4
        for test, points in single:
            mask = test(view)
            found = [(points, points)] if mask & YES else []
            found += [(nothing, nothing)] if mask & NO else []
            found += [(min(points, nothing), max(points, nothing))] if mask & UNKNOWN else []
            _widen(ends, found)
        for group, tests in groups:
            _widen(ends, _first_to_hold([(item.points, test(view)) for item, test in zip(group, tests, strict=True)]))
        return ends[0], ends[1], ends[2], ends[3]

    return evaluate


def _first_to_hold(group: list[tuple[Decimal, int]]) -> list[tuple[Decimal, Decimal]]:
    """Lower and upper ends that the points of the first item to hold may have, given points and values of each item."""
    nothing = Decimal(0)
    ended: set[tuple[Decimal, Decimal]] = set()
    going: set[tuple[Decimal, ...]] = {()}  # ends of what may have held so far; () for nothing
    for points, mask in group:
        with_it = {(min((*ends, points)), max((*ends, points))) for ends in going}
        if mask & YES:
            ended |= with_it
        going = (going if mask & NO else set()) | (with_it if mask & UNKNOWN else set())
    ended |= {(min((*ends, nothing)), max((*ends, nothing))) for ends in going}
    return list(ended)


def _widen(ends: list[Decimal], found: list[tuple[Decimal, Decimal]]) -> None:
    """Adds one part's least and greatest lower and upper ends to the sums."""
    ends[0] += min(low for low, _ in found)
    ends[1] += max(low for low, _ in found)
    ends[2] += min(high for _, high in found)
    ends[3] += max(high for _, high in found)


def _score_compared(condition: Compare) -> Evaluator:
    name, limit = condition.name, condition.limit
    strict = condition.operator in (">", "<=")
    falling = condition.operator in ("<", "<=")

    def evaluate(view: View) -> int:
        low_min, low_max, high_min, high_max = view.score(name)

        def reaches(value: Decimal) -> bool:
            return value > limit if strict else value >= limit

        mask = YES if reaches(low_max) else 0
        if not reaches(high_min):
            mask |= NO
        if not reaches(low_min) and reaches(high_max):
            mask |= UNKNOWN
        return opposite(mask) if falling else mask

    return evaluate
