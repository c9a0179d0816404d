"""Conditions with their truth, kept up to date while findings change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from ..knowledge.cases import derived_value
from ..knowledge.model import All, Answer, AnyOf, AtLeast, Compare, Condition, Finding, Findings, Knowledge, Leaf, Not, Score
from ..knowledge.quantities import Interval
from ..knowledge.truth import Truth, at_least, conjunction, leaf_truth, score_interval
from .bounds import NO, UNKNOWN, YES, mask_of

NOT_YES, NOT_NO = NO | UNKNOWN, YES | UNKNOWN  # what a node can be wanted to be, beside YES and NO

LEAF, GATED = "leaf", "gated"  # gated: no, too, while its gate is no and nobody answered it
NEGATED, LACKING = "negated", "lacking"  # lacking: its child is not known yes
COUNT, SCORE, POINTS = "count", "score", "points"
STATED, AGREES = "stated", "agrees"  # kept to by every patient

Clusters = tuple[tuple[bool, tuple[tuple[int, int], ...]], ...]  # for or against; nodes of rules with unsigned points


@dataclass(frozen=True)
class Node:
    """One condition of the network; children come before their parents."""

    kind: str
    children: tuple[int, ...] = ()
    name: str = ""  # the finding of a leaf, of `stated` and of `agrees`
    leaf: Leaf | None = None  # of score and points: what the total is compared with
    count: int = 0  # of `count`: so many children make it yes
    score: Score | None = None
    clusters: Clusters = ()  # of points: of each, the strongest that fired counts
    exempt: Answer | None = None  # of `stated`: the answer that does not count


class Network:
    """A patient who may change, and what follows. A derived quantity that is worked out changes with its inputs; one that
    is only stated can be stated otherwise."""

    def __init__(self, knowledge: Knowledge, findings: Findings) -> None:
        self.knowledge = knowledge
        self.values = dict(findings)  # what is known now, derived quantities among it
        self.nodes: list[Node] = []
        self.truth: list[Truth] = []
        self.leaves_on: dict[str, list[Leaf]] = {}
        self._above: dict[str, list[int]] = {}  # nodes that a finding can change, in order
        self._known: dict[object, int] = {}
        self._rests_on: list[frozenset[str]] = []
        derived = [f for f in knowledge.findings.values() if inputs_of(f)]
        self.worked_out = frozenset(f.name for f in derived if f.name not in findings or self._follows(f))
        self.bases = {f.name: self._base(f) for f in derived}  # the quantities that each follows from in the end
        self._derived_from: dict[str, list[Finding]] = {}
        for finding in derived:
            for name in self.bases[finding.name] if finding.name in self.worked_out else ():
                self._derived_from.setdefault(name, []).append(finding)

    def _follows(self, finding: Finding) -> bool:
        return self.values[finding.name].derived or all(self.exact(n) is not None for n in inputs_of(finding))

    def _base(self, finding: Finding) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in inputs_of(finding):
            found.update(dict.fromkeys(self._base(self.knowledge.findings[name]) if name in self.worked_out else (name,)))
        return tuple(found)

    def can_change(self, name: str) -> bool:
        """Whether a finding can be changed itself: it is not fixed and follows from no others."""
        return name not in self.worked_out and not self.knowledge.findings[name].fixed

    def exact(self, name: str) -> Decimal | None:
        """The value of a quantity that is known exactly now."""
        answer = self.values.get(name)
        return answer.quantity.exact if answer is not None and answer.quantity is not None else None

    # Building --------------------------------------------------------------------------------------------------------

    def add(self, condition: Condition, plainly: bool = False) -> int:
        """The node of a condition; `plainly` reads answers alone, as impossible combinations do."""
        key = (condition, plainly)
        if key not in self._known:
            self._known[key] = self._added(condition, plainly)
        return self._known[key]

    def _added(self, condition: Condition, plainly: bool) -> int:
        knowledge = self.knowledge
        if isinstance(condition, Not):
            return self.put(Node(NEGATED, (self.add(condition.child, plainly),)))
        if isinstance(condition, (All, AnyOf, AtLeast)):
            children = [self.add(c, plainly) for c in condition.children]
            count = len(children) if isinstance(condition, All) else 1 if isinstance(condition, AnyOf) else condition.count
            return self.at_least(count, children)
        name = condition.name
        if name in knowledge.concepts:
            return self.add(knowledge.concepts[name].when)
        if name in knowledge.scores:
            score = knowledge.scores[name]
            return self.put(Node(SCORE, tuple(self.add(i.when) for i in score.counted), leaf=condition, score=score))
        self.leaves_on.setdefault(name, []).append(condition)
        gate = knowledge.findings[name].ask_when
        if knowledge.findings[name].when_closed_no and gate is not None and not plainly:
            return self.put(Node(GATED, (self.add(gate),), name, condition))
        return self.put(Node(LEAF, (), name, condition))

    def put(self, node: Node) -> int:
        """Takes a node in, above those that it rests on."""
        number = len(self.nodes)
        names = {node.name, *self.bases.get(node.name, ())} if node.name else set()
        rests_on = frozenset(names).union(*(self._rests_on[c] for c in node.children))
        for name in rests_on:
            self._above.setdefault(name, []).append(number)
        self._rests_on.append(rests_on)
        self.nodes.append(node)
        self.truth.append(self._worked_out(node))
        return number

    def at_least(self, count: int, nodes: Iterable[int]) -> int:
        """A node that is yes when so many are."""
        return self.put(Node(COUNT, tuple(nodes), count=count))

    def all_of(self, nodes: list[int]) -> int:
        """A node that is yes when all are."""
        return self.at_least(len(nodes), nodes)

    def lacking(self, node: int) -> int:
        """A node that is yes unless another is."""
        return self.put(Node(LACKING, (node,)))

    def asked(self, name: str, gate: Condition) -> int:
        """A node that is yes unless the finding is answered otherwise than no though its question does not arise; an answer
        that is so from the start may stay."""
        number = self.add(gate)
        stated = self.put(Node(STATED, (), name, exempt=self.values.get(name) if self.truth[number] is False else None))
        return self.lacking(self.all_of([stated, self.put(Node(NEGATED, (number,)))]))

    # Truth -----------------------------------------------------------------------------------------------------------

    def is_so(self, number: int, want: int) -> bool:
        """Whether a node is as wanted now."""
        return is_so(self.truth[number], want)

    def total(self, node: Node) -> Interval:
        """The points of a score, or those of the diagnosis."""
        if node.score is not None:
            return score_interval(node.score, [self.truth[c] for c in node.children])
        best = [(is_for, self.best(members)) for is_for, members in node.clusters]
        points = Decimal(sum(p if is_for else -p for is_for, p in best))
        return Interval(points, points)

    def best(self, members: Iterable[tuple[int, int]]) -> int:
        """The points of the strongest that fired; 0 where none did."""
        return max((points for number, points in members if self.truth[number] is True), default=0)

    def _worked_out(self, node: Node) -> Truth:
        truth = self.truth
        if node.kind == LACKING:
            return truth[node.children[0]] is not True
        if node.kind == NEGATED:
            inner = truth[node.children[0]]
            return None if inner is None else not inner
        if node.kind == COUNT:
            if node.count == len(node.children):
                return conjunction(truth[c] for c in node.children)
            return at_least(node.count, [truth[c] for c in node.children])
        if node.kind in (SCORE, POINTS):
            assert isinstance(node.leaf, Compare)
            return self.total(node).compared(node.leaf.operator, node.leaf.limit)
        if node.kind == STATED:
            answer = self.values.get(node.name)
            return answer is not None and answer.truth is not False and answer is not node.exempt
        if node.kind == AGREES:
            return self.agrees(node.name)
        assert node.leaf is not None
        if node.kind == GATED and node.name not in self.values:
            return False if truth[node.children[0]] is False else None
        return leaf_truth(node.leaf, self.values)

    def agrees(self, name: str) -> bool:
        """Whether a derived quantity exists, is plausible, and is what is stated, where it is stated."""
        scale = self.knowledge.findings[name].scale
        assert scale is not None and scale.derived is not None
        known = [v for n in scale.derived.inputs if (v := self.exact(n)) is not None]
        if len(known) < len(scale.derived.inputs) or (scale.derived.how == "ratio" and not known[1]):
            return True
        if name in self.worked_out:
            return name in self.values
        value = derived_value(scale, known)
        stated = self.values[name].quantity
        assert stated is not None
        return value is not None and stated.compared(">=", value) is not False and stated.compared("<=", value) is not False

    def change(self, name: str, answer: Answer) -> Callable[[], None]:
        """Takes an answer over into everything that follows from it; what is returned takes it back."""
        derived = self._derived_from.get(name, ())
        before = {n: self.values.get(n) for n in (name, *(f.name for f in derived))}
        _set(self.values, {name: answer})
        for finding in derived:
            _set(self.values, {finding.name: self._derive(finding)})
        truth = self.truth
        turned: list[tuple[int, Truth]] = []
        for number in self._above.get(name, ()):
            now = self._worked_out(self.nodes[number])
            if now is not truth[number]:
                turned.append((number, truth[number]))
                truth[number] = now

        def take_back() -> None:
            for number, was in turned:
                truth[number] = was
            _set(self.values, before)

        return take_back

    def _derive(self, finding: Finding) -> Answer | None:
        scale = finding.scale
        assert scale is not None
        known = [v for n in inputs_of(finding) if (v := self.exact(n)) is not None]
        value = derived_value(scale, known) if len(known) == len(inputs_of(finding)) else None
        return None if value is None else Answer(quantity=Interval(value, value), reference=scale.reference, derived=True)


def _set(values: dict[str, Answer], answers: dict[str, Answer | None] | dict[str, Answer]) -> None:
    for name, answer in answers.items():
        if answer is None:
            values.pop(name, None)
        else:
            values[name] = answer


def is_so(truth: Truth, want: int) -> bool:
    """Whether a truth value is one of those wanted."""
    return bool(mask_of(truth) & want)


def inputs_of(finding: Finding) -> tuple[str, ...]:
    """What a derived quantity is worked out from; () for any other finding."""
    return finding.scale.derived.inputs if finding.scale is not None and finding.scale.derived is not None else ()
