"""The smallest change of findings that would bring a diagnosis to a level, by exhaustive search.

The search never tries out what cannot help. At every step it works out a *block*: changes of which every way to the goal
makes at least one. For clauses that must all hold it is the block of any one that does not, for alternatives that of all
of them together; points are gained cluster by cluster. Each change of the block is tried in turn and then ruled out, so that
every set of changes is met once. A branch ends as soon as a lower bound says that more changes are needed than are left. The
bounds err to the side of searching on only, so that what is found is smallest, and nothing as small is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ..knowledge.cases import derived_value, with_derived
from ..knowledge.model import (
    CHOICE,
    KNOWERS,
    YES_NO,
    All,
    Answer,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Derivation,
    Finding,
    Findings,
    Knowledge,
    Leaf,
    Not,
    OutOfRange,
    Scale,
    Score,
    TimesUpperLimit,
    leaves,
)
from ..knowledge.quantities import Interval, plain, rounded
from ..knowledge.truth import Truth, Valuation, at_least, conjunction, leaf_truth, score_interval
from .explanation import NOT_KNOWN, reaches
from .justification import value_in_words
from .reference import standing
from .weighing import weigh

AIMS = ("established", "likely", "possible", "unlikely", "excluded")  # levels that a change can be asked for
MOST = 4  # findings that are changed at once
LISTED = 5  # sets that are written out
COUNTED = 1000  # sets after which counting stops

YES, NO, NOT_YES, NOT_NO = range(4)  # what a condition is wanted to be
_OTHER_WAY = (NO, YES, NOT_NO, NOT_YES)  # what the child of `not` is wanted to be

Pair = tuple[str, Answer]
Block = dict[Pair, None]
Found = tuple[int, Block]  # changes needed at least, and changes of which one is needed


@dataclass(frozen=True)
class Change:
    """One finding that would be otherwise."""

    finding: str
    title: str
    before: str
    after: str
    within: str  # every value that would do as well, where there are more; '' otherwise
    answer: Answer

    @property
    def contradicts(self) -> bool:
        """Whether it is known otherwise now; else it is only not known yet."""
        return self.before != NOT_KNOWN


@dataclass(frozen=True)
class Smallest:
    """The smallest changes that would bring a diagnosis to a level."""

    diagnosis: str
    title: str
    level: str  # as it stands
    aim: str
    is_reached: bool
    most: int  # findings that were changed at once before giving up
    size: int | None  # of the smallest sets; 0 when the aim is reached, None when no set of up to `most` would do
    sets: tuple[tuple[Change, ...], ...]  # the first few, those that contradict least first
    count: int  # of all of them
    is_counted: bool  # otherwise there are more than `count`
    no_rule: bool = False  # no rule could ever lead there


def smallest_change(
    knowledge: Knowledge, findings: Findings, diagnosis: str, aim: str, most: int = MOST, listed: int = LISTED
) -> Smallest:
    """The smallest sets of findings to be otherwise, with which the diagnosis would be at the level aimed at: at least
    there from *possible* up, at most there below; found by looking through every set of up to `most`."""
    entry = knowledge.diagnoses[diagnosis]
    level = weigh(knowledge, entry, standing(knowledge, Valuation(knowledge, findings), diagnosis)).level

    def result(size: int | None, sets: tuple[tuple[Change, ...], ...] = (), count: int = 0, whole: bool = True) -> Smallest:
        return Smallest(diagnosis, entry.title, level, aim, size == 0, most, size, sets, count, whole, no_rule)

    no_rule = False
    if reaches(level, aim):
        return result(0)
    strengths = {r.then for r in knowledge.rules_of[diagnosis]}
    if {"excluded": "excludes", "established": "establishes"}.get(aim, "") not in ("", *strengths):
        no_rule = True
        return result(None)
    search = _Search(knowledge, findings, diagnosis, aim)
    for size in range(1, most + 1):
        raw = search.solutions(size, COUNTED)
        if raw:
            whole = len(raw) < COUNTED
            if not whole:  # too many to compare: those that contradict least are looked for first
                raw = []
                for contradicting in range(size + 1):
                    raw += search.solutions(size, COUNTED, contradicting)
                    if len(search.merged(raw)) >= listed:
                        break
            sets = search.merged(raw)
            return result(size, tuple(sets[:listed]), len(sets) if whole else COUNTED, whole)
    return result(None)


def changed_findings(knowledge: Knowledge, findings: Findings, changes: Iterable[Change]) -> Findings | None:
    """The findings with these changes made and derived quantities worked out anew; None when no patient can have them."""
    kept = {n: a for n, a in findings.items() if not _is_worked_out(knowledge, findings, n)}
    return with_derived({**kept, **{c.finding: c.answer for c in changes}}, knowledge)


# The network ---------------------------------------------------------------------------------------------------------


@dataclass
class _Node:
    """One condition of the network; children come before their parents."""

    kind: str  # leaf, gated, not, count, score
    children: tuple[int, ...] = ()
    name: str = ""
    leaf: Leaf | None = None
    count: int = 0  # of `count`: so many children make it yes
    score: Score | None = None
    rests_on: int = 0  # bits of the findings that could change it


class _Network:
    """Conditions as nodes, with their truth kept up to date while findings change."""

    def __init__(self, knowledge: Knowledge, values: dict[str, Answer]) -> None:
        self.knowledge = knowledge
        self.values = values  # what is known now, derived quantities among it
        self.nodes: list[_Node] = []
        self.truth: list[Truth] = []
        self.leaves_on: dict[str, list[Leaf]] = {}
        self.above: dict[str, list[int]] = {}  # nodes that a finding can change, in order
        self._known: dict[object, int] = {}

    def add(self, condition: Condition, plainly: bool = False) -> int:
        """The node of a condition; `plainly` reads answers alone, as impossible combinations do."""
        key = (condition, plainly)
        if key not in self._known:
            self._known[key] = self._added(condition, plainly)
        return self._known[key]

    def _added(self, condition: Condition, plainly: bool) -> int:
        knowledge = self.knowledge
        if isinstance(condition, Not):
            return self._put(_Node("not", (self.add(condition.child, plainly),)))
        if isinstance(condition, (All, AnyOf, AtLeast)):
            children = tuple(self.add(c, plainly) for c in condition.children)
            count = len(children) if isinstance(condition, All) else 1 if isinstance(condition, AnyOf) else condition.count
            return self._put(_Node("count", children, count=count))
        name = condition.name
        if name in knowledge.concepts:
            return self.add(knowledge.concepts[name].when)
        if name in knowledge.scores:
            score = knowledge.scores[name]
            return self._put(_Node("score", tuple(self.add(i.when) for i in score.counted), name, condition, score=score))
        self.leaves_on.setdefault(name, []).append(condition)
        gate = knowledge.findings[name].ask_when
        if knowledge.findings[name].when_closed_no and gate is not None and not plainly:
            return self._put(_Node("gated", (self.add(gate),), name, condition))
        return self._put(_Node("leaf", (), name, condition))

    def _put(self, node: _Node) -> int:
        self.nodes.append(node)
        self.truth.append(self._worked_out(node))
        return len(self.nodes) - 1

    def _worked_out(self, node: _Node) -> Truth:
        truth = self.truth
        if node.kind == "not":
            inner = truth[node.children[0]]
            return None if inner is None else not inner
        if node.kind == "count":
            if node.count == len(node.children):
                return conjunction(truth[c] for c in node.children)
            return at_least(node.count, [truth[c] for c in node.children])
        if node.kind == "score":
            assert node.score is not None and isinstance(node.leaf, Compare)
            return self.total(node).compared(node.leaf.operator, node.leaf.limit)
        assert node.leaf is not None
        if node.kind == "gated" and node.name not in self.values:
            return False if truth[node.children[0]] is False else None
        return leaf_truth(node.leaf, self.values)

    def total(self, node: _Node) -> Interval:
        assert node.score is not None
        return score_interval(node.score, [self.truth[c] for c in node.children])

    def connect(self, bits: Mapping[str, int], bases: Mapping[str, tuple[str, ...]]) -> None:
        """Works out, once all is added, which findings each node rests on, and the other way round."""
        for number, node in enumerate(self.nodes):
            names = bases.get(node.name, (node.name,)) if node.kind in ("leaf", "gated") else ()
            node.rests_on = 0
            for name in names:
                node.rests_on |= bits.get(name, 0)
            for child in node.children:
                node.rests_on |= self.nodes[child].rests_on
            for name, bit in bits.items():
                if node.rests_on & bit:
                    self.above.setdefault(name, []).append(number)

    def put(self, name: str, answer: Answer, derived: tuple[Finding, ...]) -> Callable[[], None]:
        """Takes an answer over into everything that follows from it; what is returned takes it back."""
        before: list[tuple[str, Answer | None]] = [(name, self.values.get(name))]
        self.values[name] = answer
        for finding in derived:
            before.append((finding.name, self.values.get(finding.name)))
            value = self._derive(finding)
            if value is None:
                self.values.pop(finding.name, None)
            else:
                self.values[finding.name] = value
        truth = self.truth
        turned: list[tuple[int, Truth]] = []
        for number in self.above.get(name, ()):
            now = self._worked_out(self.nodes[number])
            if now is not truth[number]:
                turned.append((number, truth[number]))
                truth[number] = now

        def take_back() -> None:
            for number, was in turned:
                truth[number] = was
            for changed, answer_before in before:
                if answer_before is None:
                    self.values.pop(changed, None)
                else:
                    self.values[changed] = answer_before

        return take_back

    def exact(self, name: str) -> Decimal | None:
        answer = self.values.get(name)
        return answer.quantity.exact if answer is not None and answer.quantity is not None else None

    def _derive(self, finding: Finding) -> Answer | None:
        scale = finding.scale
        assert scale is not None and scale.derived is not None
        inputs = [self.exact(n) for n in scale.derived.inputs]
        known = [v for v in inputs if v is not None]
        value = derived_value(scale, known) if len(known) == len(inputs) else None
        if value is None:
            return None
        return Answer(quantity=Interval(value, value), reference=scale.reference, derived=True)


# Goals ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wanted:
    """A node that is to be as wanted."""

    node: int
    want: int


@dataclass(frozen=True)
class _Many:
    """So many of the goals are to be met."""

    count: int
    goals: tuple[_Goal, ...]


@dataclass(frozen=True)
class _Points:
    """The points are to be at least (`up`) or at most so many."""

    up: bool
    limit: int


@dataclass(frozen=True)
class _Asked:
    """The finding is not answered otherwise than no while its question does not arise."""

    name: str
    gate: int


@dataclass(frozen=True)
class _Agrees:
    """The derived quantity exists, is plausible, and is what is stated, where it is stated."""

    name: str


_Goal = _Wanted | _Many | _Points | _Asked | _Agrees


class _Search:
    """Everything that one diagnosis rests on, and the sets of changes that bring it to a level."""

    def __init__(self, knowledge: Knowledge, findings: Findings, diagnosis: str, aim: str) -> None:
        self.knowledge = knowledge
        self.start = findings
        self.diagnosis = diagnosis
        self.aim = aim
        entry = knowledge.diagnoses[diagnosis]
        self.rules = knowledge.rules_of[diagnosis]
        conditions = [r.when for r in self.rules] + [c for c in (entry.needs, entry.likely_needs) if c is not None]
        self.relevant = _relevant(knowledge, findings, conditions)
        derived = [n for n in self.relevant if _inputs(knowledge.findings[n])]
        # One that is worked out changes with its inputs; one that is only stated can be stated otherwise.
        self.worked_out = frozenset(n for n in derived if n not in findings or _is_worked_out(knowledge, findings, n))
        self.changeable = tuple(n for n in self.relevant if not knowledge.findings[n].fixed and n not in self.worked_out)
        self.bits = {n: 1 << i for i, n in enumerate(self.changeable)}
        self.bases = {n: self._base(n) for n in derived}
        self.derived_from = {
            n: tuple(knowledge.findings[d] for d in derived if d in self.worked_out and n in self.bases[d])
            for n in self.relevant
        }
        self.inputs = frozenset(n for d in derived for n in self.bases[d])
        self.net = _Network(knowledge, dict(findings))
        self.rule_nodes = {r.id: self.net.add(r.when) for r in self.rules}
        valuation = Valuation(knowledge, findings)
        self.decided = frozenset((*findings, *(n for n in self.relevant if valuation.closed(n))))
        self.doubtful = frozenset(n for n in findings if _is_doubtful(valuation, n))
        self.goal = _every([*self._target(), *self._constraints(derived)])
        self.net.connect(self.bits, {n: base for n, base in self.bases.items() if n in self.worked_out})
        self.groups = self._clusters()
        self.chosen: dict[str, Answer] = {}
        self.ruled_out: set[Pair] = set()
        self.static = {n: self._static(n) for n in self.changeable}
        self.memo: dict[tuple[int, int], Found | None] = {}

    def _base(self, name: str) -> tuple[str, ...]:
        """The quantities that a derived one follows from in the end."""
        found: dict[str, None] = {}
        for inner in _inputs(self.knowledge.findings[name]):
            found.update(dict.fromkeys(self._base(inner) if inner in self.worked_out else (inner,)))
        return tuple(found)

    # What is to be reached -------------------------------------------------------------------------------------------

    def _target(self) -> list[_Goal]:
        entry = self.knowledge.diagnoses[self.diagnosis]
        weighing = self.knowledge.weighing
        needs: list[_Goal] = [] if entry.needs is None else [_Wanted(self.net.add(entry.needs), YES)]
        establishes = [self.rule_nodes[r.id] for r in self.rules if r.then == "establishes"]
        excludes = [self.rule_nodes[r.id] for r in self.rules if r.then == "excludes"]
        establishing: list[_Goal] = [_Wanted(n, YES) for n in establishes]
        excluding: list[_Goal] = [_Wanted(n, YES) for n in excludes]
        free: list[_Goal] = [_Wanted(n, NOT_YES) for n in excludes]
        if self.aim == "established":
            return [*free, *needs, _any(establishing)]
        if self.aim == "possible":
            return [*free, *needs, _any([_Points(True, weighing.possible), *establishing])]
        if self.aim == "likely":
            also: list[_Goal] = [] if entry.likely_needs is None else [_Wanted(self.net.add(entry.likely_needs), YES)]
            return [*free, *needs, _any([_every([*also, _Points(True, weighing.likely)]), *establishing])]
        unestablished: list[_Goal] = [_every([_Wanted(n, NOT_YES) for n in establishes])]
        if entry.needs is not None:
            unestablished.append(_Wanted(self.net.add(entry.needs), NOT_YES))
        if self.aim == "unlikely":
            excluding.append(_Points(False, weighing.unlikely))
        return [_any(unestablished), _any(excluding)]

    def _constraints(self, derived: list[str]) -> list[_Goal]:
        """What every patient keeps to."""
        names = frozenset(self.relevant)
        combinations = [i.when for i in self.knowledge.impossible.values() if names & {x.name for x in leaves(i.when)}]
        impossible: list[_Goal] = [_Wanted(self.net.add(c, plainly=True), NOT_YES) for c in combinations]
        asked: list[_Goal] = []
        for name in self.relevant:
            gate = self.knowledge.findings[name].ask_when
            if gate is not None and name not in self.worked_out:
                asked.append(_Asked(name, self.net.add(gate)))
        return [*impossible, *asked, *(_Agrees(name) for name in derived)]

    def _clusters(self) -> tuple[tuple[bool, tuple[tuple[int, int], ...]], ...]:
        """The rules that weigh, in groups of which the strongest counts: for or against, nodes with unsigned points."""
        groups: dict[tuple[str, bool], list[tuple[int, int]]] = {}
        for rule in self.rules:
            points = abs(self.knowledge.weighing.points(rule.then))
            if points:
                key = (rule.cluster or f"{rule.id} alone", rule.is_for)
                groups.setdefault(key, []).append((self.rule_nodes[rule.id], points))
        return tuple((is_for, tuple(members)) for (_, is_for), members in groups.items())

    def _points(self) -> int:
        truth = self.net.truth
        total = 0
        for is_for, members in self.groups:
            best = max((p for n, p in members if truth[n] is True), default=0)
            total += best if is_for else -best
        return total

    def met(self, goal: _Goal) -> bool:
        """Whether the goal is met as things are."""
        if isinstance(goal, _Wanted):
            return _is_so(self.net.truth[goal.node], goal.want)
        if isinstance(goal, _Many):
            met = sum(1 for g in goal.goals if self.met(g))
            return met >= goal.count
        if isinstance(goal, _Points):
            return self._points() >= goal.limit if goal.up else self._points() <= goal.limit
        if isinstance(goal, _Asked):
            answer = self.net.values.get(goal.name)
            if answer is None or answer.truth is False or self.net.truth[goal.gate] is not False:
                return True
            return goal.name in self.doubtful and goal.name not in self.chosen
        return self._agrees(goal.name)

    def _agrees(self, name: str) -> bool:
        scale = self.knowledge.findings[name].scale
        assert scale is not None and scale.derived is not None
        known = [v for n in scale.derived.inputs if (v := self.net.exact(n)) is not None]
        if len(known) < len(scale.derived.inputs) or (scale.derived.how == "ratio" and not known[1]):
            return True
        if name in self.worked_out:
            return name in self.net.values
        value = derived_value(scale, known)
        stated = self.net.values[name].quantity
        assert stated is not None
        return value is not None and stated.compared(">=", value) is not False and stated.compared("<=", value) is not False

    # What is needed for it -------------------------------------------------------------------------------------------

    def needed(self, goal: _Goal, left: int) -> Found | None:
        """A lower bound of the changes that the goal takes, and changes of which every way there makes one; None when so
        many changes as are left cannot do it."""
        if self.met(goal):
            return 0, {}
        if isinstance(goal, _Wanted):
            return self._node(goal.node, goal.want, left)
        if isinstance(goal, _Many):
            wanting = [g for g in goal.goals if not self.met(g)]
            missing = goal.count - (len(goal.goals) - len(wanting))
            found = [(f, self._rests_on(g)) for g in wanting if (f := self.needed(g, left)) is not None]
            return _together(found, missing, left)
        if isinstance(goal, _Points):
            return self._more_points(goal, left)
        block: Block = {}
        if isinstance(goal, _Asked):
            block.update((p, None) for p in self._pairs(goal.name, left) if p[1].truth is False)
            gate = self._node(goal.gate, NOT_NO, left)
            block.update(gate[1] if gate is not None else {})
        else:
            names = self.bases[goal.name] if goal.name in self.worked_out else (*self.bases[goal.name], goal.name)
            block.update((p, None) for n in names for p in self._pairs(n, left))
        return (1, block) if block else None

    def _rests_on(self, goal: _Goal) -> int:
        return self.net.nodes[goal.node].rests_on if isinstance(goal, _Wanted) else -1

    def _node(self, number: int, want: int, left: int) -> Found | None:
        if _is_so(self.net.truth[number], want):
            return 0, {}
        key = (number, want)
        if key not in self.memo:
            found = self._node_needs(self.net.nodes[number], want, left)
            self.memo[key] = found if found is not None and found[0] <= left and found[1] else None
        return self.memo[key]

    def _node_needs(self, node: _Node, want: int, left: int) -> Found | None:
        if node.kind == "not":
            return self._node(node.children[0], _OTHER_WAY[want], left)
        if node.kind == "count":
            count = node.count if want in (YES, NOT_NO) else len(node.children) - node.count + 1
            truth = self.net.truth
            wanting = [c for c in node.children if not _is_so(truth[c], want)]
            missing = count - (len(node.children) - len(wanting))
            nodes = self.net.nodes
            found = [(f, nodes[c].rests_on) for c in wanting if (f := self._node(c, want, left)) is not None]
            return _together(found, missing, left)
        if node.kind == "score":
            return self._score(node, want, left)
        assert node.leaf is not None
        if node.name in self.worked_out:
            return self._derived_leaf(node.name, node.leaf, want, left)
        block: Block = {}
        for pair in self._pairs(node.name, left):
            if _is_so(leaf_truth(node.leaf, {node.name: pair[1]}), want):
                block[pair] = None
        if node.kind == "gated" and node.name not in self.net.values and want in (NO, NOT_NO):
            gate = self._node(node.children[0], want, left)
            block.update(gate[1] if gate is not None else {})
        return (1, block) if block else None

    def _derived_leaf(self, name: str, leaf: Leaf, want: int, left: int) -> Found | None:
        base = self.bases[name]
        unknown = [n for n in base if self.net.exact(n) is None]
        if unknown:  # each of them must be known
            block: Block = dict.fromkeys(self._pairs(unknown[0], left))
            return len(unknown), block
        block = {}
        for n in base:
            for pair in self._pairs(n, left):
                if left == 1:
                    take_back = self.net.put(*pair, self.derived_from[n])
                    helps = _is_so(leaf_truth(leaf, self.net.values), want)
                    take_back()
                    if not helps:
                        continue
                block[pair] = None
        return 1, block

    def _score(self, node: _Node, want: int, left: int) -> Found | None:
        """Points are to rise at their lower end or the upper one, or to fall; each item or group can give so many."""
        leaf, score = node.leaf, node.score
        assert isinstance(leaf, Compare) and score is not None
        upward = leaf.operator in (">=", ">")
        rise = upward == (want in (YES, NOT_NO))
        surely = want in (YES, NO)  # the end that decides: the near one; else the far one
        more, less = (YES, NO) if surely else (NOT_NO, NOT_YES)
        total = self.net.total(node)
        assert total.low is not None and total.high is not None
        end = total.low if rise == surely else total.high
        short = leaf.limit - end if rise else end - leaf.limit
        strict = (leaf.operator in (">", "<=")) is rise
        gains: list[tuple[Decimal, Block, int]] = []
        children = iter(node.children)
        nodes = self.net.nodes
        for item in score.items:
            child = next(children)
            found = self._node(child, more if (item.points > 0) is rise else less, left)
            if found is not None and found[1] and item.points:
                gains.append((abs(item.points), found[1], nodes[child].rests_on))
        for group in score.one_of:
            members = [next(children) for _ in group]
            block: Block = {}
            rests_on = 0
            for child in members:
                rests_on |= nodes[child].rests_on
                for way in (YES, NO, NOT_YES, NOT_NO):
                    found = self._node(child, way, left)
                    block.update(found[1] if found is not None else {})
            points = [Decimal(0), *(item.points for item in group)]
            if block and max(points) > min(points):
                gains.append((max(points) - min(points), block, rests_on))
        return _enough(gains, short, strict, left)

    def _more_points(self, goal: _Points, left: int) -> Found | None:
        short = goal.limit - self._points() if goal.up else self._points() - goal.limit
        truth = self.net.truth
        gains: list[tuple[int, Block]] = []
        for is_for, members in self.groups:
            best = max((p for n, p in members if truth[n] is True), default=0)
            block: Block = {}
            gain = 0
            if is_for is goal.up:
                for node, points in members:
                    if points > best:
                        found = self._node(node, YES, left)
                        if found is not None:
                            block.update(found[1])
                            gain = max(gain, points - best)
            elif best:
                kept = 0
                blocks: list[Block] = []
                for node, points in members:
                    if truth[node] is True:
                        found = self._node(node, NOT_YES, left)
                        if found is None:
                            kept = max(kept, points)
                        elif points == best:
                            blocks.append(found[1])
                if kept < best:  # all that are as strong must fall
                    gain, block = best - kept, min(blocks, key=len)
            if gain:
                gains.append((gain, block))
        if sum(g for g, _ in gains) < short:
            return None
        worth: dict[Pair, int] = {}
        for gain, block in gains:
            for pair in block:
                worth[pair] = worth.get(pair, 0) + gain
        by_name: dict[str, int] = {}
        for (name, _), value in worth.items():
            by_name[name] = max(by_name.get(name, 0), value)
        best_names = sorted(by_name.values(), reverse=True)
        cost = next((n for n in range(1, left + 1) if sum(best_names[:n]) >= short), 0)
        if not cost:
            return None
        gains.sort(key=lambda g: -len(g[1]))
        spare = short - 1  # groups that together give no more than this may be left out of the block
        block = {}
        for gain, inner in gains:
            if gain <= spare:
                spare -= gain
            else:
                block.update(inner)
        others = sum(best_names[: left - 1])
        return cost, {pair: None for pair in block if worth[pair] + others >= short}

    # Values ----------------------------------------------------------------------------------------------------------

    def _pairs(self, name: str, left: int) -> Iterator[Pair]:
        """The changes of a finding that are still to be tried."""
        if name not in self.bits or name in self.chosen:
            return
        answers = self._input_answers(name, left) if name in self.inputs else self.static[name]
        for answer in answers:
            if (name, answer) not in self.ruled_out:
                yield name, answer

    def _static(self, name: str) -> tuple[Answer, ...]:
        """Every other answer of a finding; of a quantity, one of each stretch in which all comparisons come out alike."""
        finding = self.knowledge.findings[name]
        now = self.start.get(name)
        if finding.kind == YES_NO:
            return tuple(Answer(truth=t) for t in (True, False) if now is None or now.truth is not t)
        if finding.kind == CHOICE:
            return tuple(Answer(choice=c) for c, _ in finding.choices if now is None or now.choice != c)
        present = self._present(name)
        values = [near for low, near, high in self.cells(name) if present is None or not low <= present <= high]
        return tuple(self._quantity(name, v) for v in sorted(values, key=lambda v: (abs(v - self.nice(name)), v)))

    def _quantity(self, name: str, value: Decimal) -> Answer:
        return Answer(quantity=Interval(value, value), reference=self._reference(name))

    def _reference(self, name: str) -> tuple[Decimal, Decimal] | None:
        now = self.start.get(name)
        return now.reference if now is not None else _scale(self.knowledge.findings[name]).reference

    def _present(self, name: str) -> Decimal | None:
        now = self.start.get(name)
        return now.quantity.exact if now is not None and now.quantity is not None else None

    def nice(self, name: str) -> Decimal:
        """The value that a change stays near to: the present one, or what is usual."""
        scale = _scale(self.knowledge.findings[name])
        now = self.start.get(name)
        if now is not None and now.quantity is not None:
            ends = [e for e in (now.quantity.low, now.quantity.high) if e is not None]
            return ends[0]
        low, high = self._reference(name) or scale.usual or scale.plausible
        return rounded((low + high) / 2, scale.decimals)

    def cells(self, name: str) -> tuple[tuple[Decimal, Decimal, Decimal], ...]:
        """Stretches of values in which all comparisons come out alike: lowest, nearest to the present one, highest."""
        scale = _scale(self.knowledge.findings[name])
        told = self.net.leaves_on.get(name, [])
        points = _grid(scale, [*scale.plausible, *_cuts(told, self._reference(name)), self.nice(name)])
        stretches: list[list[Decimal]] = []
        before: object = None
        for point in points:
            answer = {name: self._quantity(name, point)}
            alike = [leaf_truth(leaf, answer) for leaf in told]
            if not stretches or alike != before:
                stretches.append([])
            stretches[-1].append(point)
            before = alike
        nice = self.nice(name)
        return tuple((s[0], min(max(nice, s[0]), s[-1]), s[-1]) for s in stretches)

    def _input_answers(self, name: str, left: int) -> tuple[Answer, ...]:
        """Values of a quantity from which others are derived: at the ends of its own stretches, and on both sides of where
        a derived one crosses a limit, for what its other inputs are and for the ends of what they could become."""
        scale = _scale(self.knowledge.findings[name])
        wanted = [v for cell in self.cells(name) for v in cell]
        free = False
        for finding in self._above(name):
            partners = [n for n in self.bases[finding.name] if n != name]
            open_partners = [n for n in partners if n in self.bits and n not in self.chosen]
            free = free or bool(open_partners)
            choices = []
            for partner in partners:
                known = self.net.exact(partner)
                values = [known] if known is not None else []
                if partner in open_partners and left > 1:
                    values += [v for cell in self.cells(partner) for v in cell]
                choices.append(list(dict.fromkeys(values)))
            derived_scale = _scale(finding)
            half = Decimal(1).scaleb(-derived_scale.decimals) / 2
            reference = self._reference(finding.name)
            cuts = [*derived_scale.plausible, *_cuts(self.net.leaves_on.get(finding.name, []), reference)]
            stated = self.net.exact(finding.name) if finding.name not in self.worked_out else None
            cuts += [stated] if stated is not None else []
            targets = [t for cut in dict.fromkeys(cuts) for t in (cut - half, cut, cut + half)]
            for chosen in itertools.product(*choices):
                others = dict(zip(partners, chosen, strict=True))
                wanted += [v for t in targets for v in self._solved(finding, name, t, others)]
        present = self._present(name)
        points = [p for p in _grid(scale, wanted) if p != present]
        nice = self.nice(name)
        points.sort(key=lambda v: (abs(v - nice), v))
        answers = [self._quantity(name, p) for p in points]
        return tuple(answers if free and left > 1 else self._one_of_each(name, answers))

    def _above(self, name: str) -> Iterator[Finding]:
        for derived, base in self.bases.items():
            if name in base:
                yield self.knowledge.findings[derived]

    def _solved(self, finding: Finding, name: str, target: Decimal, others: Mapping[str, Decimal]) -> Iterator[Decimal]:
        """The values of `name` for which the derived quantity is at the target."""
        derived = _scale(finding).derived
        assert derived is not None
        values: list[Decimal | None] = []
        inner: list[int] = []
        for number, input_name in enumerate(derived.inputs):
            if input_name == name or (input_name in self.worked_out and name in self.bases[input_name]):
                inner.append(number)
                values.append(None)
            elif input_name in others:
                values.append(others[input_name])
            else:
                values.append(self.net.exact(input_name))
        for number in inner:
            for value in _inverse(derived, number, target, values):
                if derived.inputs[number] == name:
                    yield value
                else:
                    yield from self._solved(self.knowledge.findings[derived.inputs[number]], name, value, others)

    def _one_of_each(self, name: str, answers: list[Answer]) -> Iterator[Answer]:
        """The first of all answers with which everything comes out alike."""
        net = self.net
        told = [leaf for d in self._above(name) for leaf in net.leaves_on.get(d.name, ())] + net.leaves_on.get(name, [])
        seen: set[tuple[object, ...]] = set()
        for answer in answers:
            take_back = net.put(name, answer, self.derived_from[name])
            alike = (
                *(leaf_truth(leaf, net.values) for leaf in told),
                *(self._agrees(d.name) for d in self._above(name)),
            )
            take_back()
            if alike not in seen:
                seen.add(alike)
                yield answer

    # The search ------------------------------------------------------------------------------------------------------

    def solutions(self, size: int, most: int, contradicting: int | None = None) -> list[tuple[Pair, ...]]:
        """The sets of so many changes that reach the goal, where no smaller set does; at most so many of them, and only
        those that contradict so many answers, where that is given."""
        found: list[tuple[Pair, ...]] = []
        self._descend(size, most, contradicting, found)
        return found

    def _descend(self, left: int, most: int, contradicting: int | None, found: list[tuple[Pair, ...]]) -> None:
        if not left:
            if self.met(self.goal) and not contradicting:
                found.append(tuple(self.chosen.items()))
            return
        self.memo = {}
        needed = self.needed(self.goal, left)
        if needed is None or not 0 < needed[0] <= left:
            return
        tried: list[Pair] = []
        for pair in needed[1]:
            name, answer = pair
            budget = contradicting
            if budget is not None and name in self.decided:
                budget -= 1
            if budget is None or budget >= 0:
                take_back = self.net.put(name, answer, self.derived_from[name])
                self.chosen[name] = answer
                self._descend(left - 1, most, budget, found)
                del self.chosen[name]
                take_back()
            if len(found) >= most:
                break
            self.ruled_out.add(pair)
            tried.append(pair)
        self.ruled_out.difference_update(tried)

    # What is said about it -------------------------------------------------------------------------------------------

    def merged(self, raw: list[tuple[Pair, ...]]) -> list[tuple[Change, ...]]:
        """The sets in order: those that contradict least first. Values of one quantity that do alike are one change."""
        alike: dict[tuple[tuple[str, object], ...], list[dict[str, Answer]]] = {}
        for pairs in raw:
            key = tuple(sorted((n, str(a.truth) + a.choice) for n, a in pairs))
            alike.setdefault(key, []).append(dict(pairs))
        sets = []
        for members in alike.values():
            best = min(members, key=lambda m: self._distance(m))
            sets.append(tuple(self._change(n, best, members) for n in sorted(best, key=self._asked_order)))
        return sorted(
            sets, key=lambda s: (sum(c.contradicts for c in s), [(*self._asked_order(c.finding), c.after) for c in s])
        )

    def _asked_order(self, name: str) -> tuple[int, str]:
        return KNOWERS.index(self.knowledge.findings[name].known_by), name

    def _distance(self, values: Mapping[str, Answer]) -> tuple[Decimal, tuple[tuple[str, Decimal], ...]]:
        exact = [(n, a.quantity.exact) for n, a in sorted(values.items()) if a.quantity is not None]
        numbers = tuple((n, v) for n, v in exact if v is not None)
        return sum((abs(v - self.nice(n)) for n, v in numbers), Decimal(0)), numbers

    def _change(self, name: str, best: Mapping[str, Answer], members: list[dict[str, Answer]]) -> Change:
        finding = self.knowledge.findings[name]
        answer = best[name]
        within = ""
        if answer.quantity is not None:
            after = f"{plain(_exact(answer))} {_scale(finding).unit}"
            if name not in self.inputs:
                rest = {n: a for n, a in best.items() if n != name}
                will_do = {_exact(m[name]) for m in members if {n: a for n, a in m.items() if n != name} == rest}
                within = self._stretch(name, _exact(answer), will_do)
        else:
            after = answer.choice.replace("_", " ") or ("yes" if answer.truth else "no")
        before = "no" if name in self.decided else NOT_KNOWN
        if name in self.start:
            before = value_in_words(Valuation(self.knowledge, self.start), name).replace("_", " ")
        return Change(name, finding.title, before, after, within, answer)

    def _stretch(self, name: str, value: Decimal, will_do: set[Decimal]) -> str:
        """All values around one that do as well, in words; '' when there is no other."""
        scale = _scale(self.knowledge.findings[name])
        cells = self.cells(name)
        first = last = next(i for i, (low, _, high) in enumerate(cells) if low <= value <= high)
        while first > 0 and cells[first - 1][1] in will_do:
            first -= 1
        while last + 1 < len(cells) and cells[last + 1][1] in will_do:
            last += 1
        low, high = cells[first][0], cells[last][2]
        if low == high:
            return ""
        if first == 0:
            return f"{plain(high)} {scale.unit} or less"
        if last == len(cells) - 1:
            return f"{plain(low)} {scale.unit} or more"
        return f"{plain(low)} to {plain(high)} {scale.unit}"


def _every(goals: list[_Goal]) -> _Goal:
    return _Many(len(goals), tuple(goals))


def _any(goals: list[_Goal]) -> _Goal:
    return _Many(1, tuple(goals))


def _is_so(truth: Truth, want: int) -> bool:
    return (truth is True, truth is False, truth is not True, truth is not False)[want]


def _together(found: list[tuple[Found, int]], missing: int, left: int) -> Found | None:
    """What it takes that so many of these come about; with each goes what it rests on."""
    if missing > len(found):
        return None
    costs = sorted(f[0] for f, _ in found)[:missing]
    cost = costs[-1]
    if missing > 1:
        taken = 0
        apart = True
        for _, rests_on in found:
            apart = apart and not taken & rests_on
            taken |= rests_on
        if apart:
            cost = sum(costs)
        elif missing == len(found):  # those that share no finding add up
            cost = max(cost, _apart(found))
    if cost > left:
        return None
    block: Block = {}
    for (_, inner), _ in sorted(found, key=lambda f: len(f[0][1]))[: len(found) - missing + 1]:
        block.update(inner)
    return cost, block


def _apart(found: list[tuple[Found, int]]) -> int:
    taken = total = 0
    for (cost, _), rests_on in sorted(found, key=lambda f: (-f[0][0], f[1].bit_count())):
        if not taken & rests_on:
            taken |= rests_on
            total += cost
    return total


def _enough(gains: list[tuple[Decimal, Block, int]], short: Decimal, strict: bool, left: int) -> Found | None:
    """What it takes to gain so much, or more where that is strict."""

    def suffices(total: Decimal) -> bool:
        return total > short if strict else total >= short

    if not suffices(sum((g for g, _, _ in gains), Decimal(0))):
        return None
    cost = 1
    if all(not a[2] & b[2] for a, b in itertools.combinations(gains, 2)):
        totals = itertools.accumulate(sorted((g for g, _, _ in gains), reverse=True))
        cost = next(number for number, total in enumerate(totals, 1) if suffices(total))
    if cost > left:
        return None
    left_out = Decimal(0)
    block: Block = {}
    for gain, inner, _ in sorted(gains, key=lambda g: -len(g[1])):
        if suffices(left_out + gain):
            block.update(inner)
        else:
            left_out += gain
    return cost, block


def _relevant(knowledge: Knowledge, findings: Findings, conditions: list[Condition]) -> tuple[str, ...]:
    """The findings that the conditions rest on, with the gates of their questions, and whatever must agree with them."""
    seen: set[str] = set()

    def take(names: Iterable[str]) -> None:
        stack = list(names)
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            stack += knowledge.depends_on.get(name, ())
            if name in knowledge.findings:
                gate = knowledge.findings[name].ask_when
                stack += [x.name for x in leaves(gate)] if gate is not None else []
                stack += _inputs(knowledge.findings[name])

    take(x.name for c in conditions for x in leaves(c))
    gates = {n: _below(knowledge, knowledge.findings[n].ask_when) for n in findings}
    while True:
        before = len(seen)
        take(n for n, names in gates.items() if names & seen)
        take(
            x.name for i in knowledge.impossible.values() for x in leaves(i.when) if {y.name for y in leaves(i.when)} & seen
        )
        take(f.name for f in knowledge.findings.values() if set(_inputs(f)) & seen)
        if len(seen) == before:
            return tuple(n for n in knowledge.findings if n in seen)


def _below(knowledge: Knowledge, gate: Condition | None) -> set[str]:
    """The names that a gate rests on, through concepts and scores."""
    seen: set[str] = set()
    stack = [x.name for x in leaves(gate)] if gate is not None else []
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += knowledge.depends_on.get(name, ())
    return seen


def _is_doubtful(valuation: Valuation, name: str) -> bool:
    """Whether the finding is answered otherwise than no though its question does not arise."""
    gate = valuation.knowledge.findings[name].ask_when
    answer = valuation.findings[name]
    return gate is not None and not answer.derived and answer.truth is not False and valuation.of(gate) is False


def _is_worked_out(knowledge: Knowledge, findings: Findings, name: str) -> bool:
    """Whether a known finding follows from others that are known exactly, even if it is stated, too."""
    inputs = _inputs(knowledge.findings[name])
    known = [a.quantity.exact for n in inputs if (a := findings.get(n)) is not None and a.quantity is not None]
    return findings[name].derived or (bool(inputs) and len(known) == len(inputs) and None not in known)


def _inputs(finding: Finding) -> tuple[str, ...]:
    return finding.scale.derived.inputs if finding.scale is not None and finding.scale.derived is not None else ()


def _scale(finding: Finding) -> Scale:
    assert finding.scale is not None
    return finding.scale


def _exact(answer: Answer) -> Decimal:
    assert answer.quantity is not None and answer.quantity.exact is not None
    return answer.quantity.exact


def _cuts(told: Iterable[Leaf], reference: tuple[Decimal, Decimal] | None) -> Iterator[Decimal]:
    """The numbers that a quantity is compared with."""
    for leaf in told:
        if isinstance(leaf, Compare):
            yield leaf.limit
        elif isinstance(leaf, OutOfRange) and reference is not None:
            yield reference[0] if leaf.side == "below" else reference[1]
        elif isinstance(leaf, TimesUpperLimit) and reference is not None:
            yield leaf.factor * reference[1]


def _grid(scale: Scale, wanted: Iterable[Decimal]) -> list[Decimal]:
    """The plausible values on either side of those wanted and next to them, to the decimals of the scale; rising."""
    step = Decimal(1).scaleb(-scale.decimals)
    low, high = scale.plausible
    points: set[Decimal] = set()
    for value in wanted:
        if low - 2 * step <= value <= high + 2 * step:
            down = (value / step).to_integral_value(ROUND_FLOOR) * step
            up = (value / step).to_integral_value(ROUND_CEILING) * step
            points.update((down - step, down, up, up + step))
    return sorted(p for p in points if low <= p <= high)


def _inverse(how: Derivation, number: int, target: Decimal, values: list[Decimal | None]) -> Iterator[Decimal]:
    """The values of one input with which the derived quantity is at the target; the other inputs are given."""
    others = [v for i, v in enumerate(values) if i != number and v is not None]
    if len(others) < len(values) - 1:
        return
    if how.how == "difference":
        yield target + others[0] if number == 0 else others[0] - target
    elif how.how == "absolute_difference":
        yield others[0] + target
        yield others[0] - target
    elif how.how == "ratio":
        if number == 0:
            yield target * others[0]
        elif target:
            yield others[0] / target
    elif how.how == "linear":
        factors = [f for i, f in enumerate(how.factors) if i != number]
        rest = sum((f * v for f, v in zip(factors, others, strict=True)), how.constant)
        if how.factors[number]:
            yield (target - rest) / how.factors[number]
    else:  # the smaller or larger of several
        yield target


__all__ = [
    *("AIMS", "COUNTED", "LISTED", "MOST", "Change", "Smallest"),
    *("changed_findings", "smallest_change"),
]
