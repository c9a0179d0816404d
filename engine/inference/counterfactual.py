"""The smallest change of findings that would bring a diagnosis to a level, by exhaustive search.

The search never tries out what cannot help. At every step it works out a *block*: changes of which every way to the goal
makes at least one. Each change of the block is tried in turn and then ruled out, so that every set of changes is met once. A
branch ends as soon as a lower bound says that more changes are needed than are left. The bounds err to the side of searching
on only, so that what is found is smallest, and nothing as small is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..knowledge.model import KNOWERS, Answer, Compare, Diagnosis, Findings, Knowledge
from ..knowledge.quantities import amount, plain
from ..knowledge.truth import Valuation, leaf_truth
from .bounds import NO, YES, opposite
from .explanation import NOT_KNOWN, reaches
from .justification import value_in_words
from .network import AGREES, COUNT, GATED, LACKING, NEGATED, NOT_NO, NOT_YES, POINTS, SCORE, STATED, Network, Node, is_so
from .reference import conclusion_about
from .values import Values

AIMS = ("established", "likely", "possible", "unlikely", "excluded")  # levels that a change can be asked for
MOST = 4  # findings that are changed at once
LISTED = 5  # sets that are written out
COUNTED = 1000  # sets after which counting stops

Pair = tuple[str, Answer]
Block = dict[Pair, None]
Found = tuple[int, Block]  # changes needed at least, and changes of which one is needed
Gain = tuple[Decimal, Block]  # points that one part can add, once a change of the block is made


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
    level = conclusion_about(knowledge, Valuation(knowledge, findings), diagnosis).level

    def result(size: int | None, sets: tuple[tuple[Change, ...], ...] = (), count: int = 0, whole: bool = True) -> Smallest:
        return Smallest(diagnosis, entry.title, level, aim, most, size, sets, count, whole, no_rule)

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


class _Search:
    """Everything that one diagnosis rests on, and the sets of changes that bring it to a level."""

    def __init__(self, knowledge: Knowledge, findings: Findings, diagnosis: str, aim: str) -> None:
        self.knowledge = knowledge
        self.start = Valuation(knowledge, findings)
        self.net = Network(knowledge, findings)
        self.goal = self.net.all_of([*self._target(diagnosis, aim), *self._constraints()])
        self.values = Values(self.net, findings)
        self.chosen: dict[str, Answer] = {}
        self.ruled_out: set[Pair] = set()
        self.memo: dict[tuple[int, int], Found | None] = {}

    # What is to be reached -------------------------------------------------------------------------------------------

    def _target(self, diagnosis: str, aim: str) -> list[int]:
        net, weighing, entry = self.net, self.knowledge.weighing, self.knowledge.diagnoses[diagnosis]
        establishing, excluding, points_are = self._evidence(diagnosis)
        needs = [] if entry.needs is None else [net.add(entry.needs)]
        bars = list(self._bars(entry)) if entry.is_of_exclusion else []
        if aim in ("unlikely", "excluded"):
            if aim == "unlikely":
                excluding.append(points_are("<=", weighing.unlikely))
            unestablished = [net.all_of([net.lacking(n) for n in establishing]), *(net.lacking(n) for n in needs), *bars]
            return [net.at_least(1, unestablished), net.at_least(1, excluding)]
        if aim == "possible":
            establishing.append(points_are(">=", weighing.possible))
        elif aim == "likely":
            establishing.append(self._weighs_likely(entry, points_are))
        return [*(net.lacking(n) for n in (*excluding, *bars)), *needs, net.at_least(1, establishing)]

    def _bars(self, entry: Diagnosis) -> Iterator[int]:
        """What else may be found, for which a diagnosis of exclusion is not supported."""
        net = self.net
        yield from (net.add(leaf) for leaf in entry.needs_no)
        yield from (net.add(flag.when) for flag in self.knowledge.red_flags.values())
        for other in self.knowledge.before_exclusion:
            needs = self.knowledge.diagnoses[other].needs
            establishing, excluding, points_are = self._evidence(other)
            weighs = [self._weighs_likely(self.knowledge.diagnoses[other], points_are), *map(net.lacking, excluding)]
            either = net.at_least(1, [*establishing, net.all_of(weighs)])
            yield either if needs is None else net.all_of([net.add(needs), either])

    def _weighs_likely(self, entry: Diagnosis, points_are: Callable[[str, int], int]) -> int:
        also = [] if entry.likely_when is None else [self.net.add(entry.likely_when)]
        return self.net.all_of([*also, points_are(">=", self.knowledge.weighing.likely)])

    def _evidence(self, diagnosis: str) -> tuple[list[int], list[int], Callable[[str, int], int]]:
        """The nodes of the rules that establish a diagnosis, of those that exclude it, and what makes one of its points."""
        net, weighing = self.net, self.knowledge.weighing
        rules = [(r, net.add(r.when)) for r in self.knowledge.rules_of[diagnosis]]
        establishing = [n for r, n in rules if r.then == "establishes"]
        excluding = [n for r, n in rules if r.then == "excludes"]
        groups: dict[tuple[str, bool], list[tuple[int, int]]] = {}
        for rule, node in rules:
            points = abs(weighing.points(rule.then))
            if points:
                groups.setdefault((rule.cluster or f"{rule.id} alone", rule.is_for), []).append((node, points))
        clusters = tuple((is_for, tuple(members)) for (_, is_for), members in groups.items())

        def points_are(operator: str, limit: int) -> int:
            children = tuple(node for _, members in clusters for node, _ in members)
            return net.put(Node(POINTS, children, leaf=Compare("", operator, Decimal(limit)), clusters=clusters))

        return establishing, excluding, points_are

    def _constraints(self) -> Iterator[int]:
        """What every patient keeps to."""
        net = self.net
        for impossible in self.knowledge.impossible.values():
            yield net.lacking(net.add(impossible.when, plainly=True))
        for name, finding in self.knowledge.findings.items():
            if finding.ask_when is not None and name not in net.worked_out:
                yield net.asked(name, finding.ask_when)
            if name in net.bases:
                yield net.put(Node(AGREES, name=name))

    # What is needed for it -------------------------------------------------------------------------------------------

    def needed(self, number: int, want: int, left: int) -> Found | None:
        """A lower bound of the changes it takes for a node to be as wanted, and changes of which every way there makes one;
        None when so many changes as are left cannot do it."""
        if self.net.is_so(number, want):
            return 0, {}
        key = (number, want)
        if key not in self.memo:
            found = self._needed(self.net.nodes[number], want, left)
            self.memo[key] = found if found is not None and found[0] <= left and found[1] else None
        return self.memo[key]

    def _needed(self, node: Node, want: int, left: int) -> Found | None:
        net = self.net
        if node.kind == NEGATED:
            return self.needed(node.children[0], opposite(want), left)
        if node.kind == LACKING:
            return self.needed(node.children[0], NOT_YES if want & YES else YES, left)
        if node.kind == COUNT:
            wanting = [c for c in node.children if not net.is_so(c, want)]
            count = node.count if want & YES else len(node.children) - node.count + 1
            missing = count - (len(node.children) - len(wanting))
            found = [f for c in wanting if (f := self.needed(c, want, left)) is not None]
            enough = _enough([(Decimal(1), block) for _, block in found], Decimal(missing), False, left)
            return enough and (max(enough[0], sorted(cost for cost, _ in found)[missing - 1]), enough[1])
        if node.kind in (SCORE, POINTS):
            return self._total(node, want, left)
        if node.kind == AGREES:
            names = net.bases[node.name] if node.name in net.worked_out else (*net.bases[node.name], node.name)
            return 1, dict.fromkeys(pair for name in names for pair in self._pairs(name, left))
        if node.kind == STATED:
            return 1, dict.fromkeys(pair for pair in self._pairs(node.name, left) if pair[1].truth is False)
        assert node.leaf is not None
        if node.name in net.worked_out:
            unknown = [n for n in net.bases[node.name] if net.exact(n) is None]
            if unknown:  # each of them must be known
                return len(unknown), dict.fromkeys(self._pairs(unknown[0], left))
            return 1, dict.fromkeys(pair for name in net.bases[node.name] for pair in self._pairs(name, left))
        block = dict.fromkeys(
            pair for pair in self._pairs(node.name, left) if is_so(leaf_truth(node.leaf, dict([pair])), want)
        )
        if node.kind == GATED and node.name not in net.values and want != YES:
            gate = self.needed(node.children[0], want, left)
            block.update(gate[1] if gate is not None else {})
        return 1, block

    def _total(self, node: Node, want: int, left: int) -> Found | None:
        """Points are to rise at their lower end or the upper one, or to fall; each part can give so many."""
        leaf = node.leaf
        assert isinstance(leaf, Compare)
        rise = (leaf.operator in (">=", ">")) == bool(want & YES)
        surely = want in (YES, NO)  # the end that decides: the near one; else the far one
        total = self.net.total(node)
        assert total.low is not None and total.high is not None
        end = total.low if rise == surely else total.high
        short = leaf.limit - end if rise else end - leaf.limit
        gains = self._weighed(node, rise, left) if node.kind == POINTS else self._items(node, rise, surely, left)
        return _enough(list(gains), short, (leaf.operator in (">", "<=")) is rise, left)

    def _items(self, node: Node, rise: bool, surely: bool, left: int) -> Iterator[Gain]:
        """What each item or group of a score can give."""
        assert node.score is not None
        more, less = (YES, NO) if surely else (NOT_NO, NOT_YES)
        children = iter(node.children)
        for item, child in zip(node.score.items, children, strict=False):
            found = self.needed(child, more if (item.points > 0) is rise else less, left)
            if found is not None:
                yield abs(item.points), found[1]
        for group in node.score.one_of:
            members = [next(children) for _ in group]
            ways = [self.needed(child, way, left) for child in members for way in (YES, NO, NOT_YES, NOT_NO)]
            points = [Decimal(0), *(item.points for item in group)]
            yield max(points) - min(points), dict.fromkeys(pair for found in ways if found for pair in found[1])

    def _weighed(self, node: Node, rise: bool, left: int) -> Iterator[Gain]:
        """What each cluster can give: one that speaks so rises above its best, one that speaks against it falls below."""
        net = self.net
        for is_for, members in node.clusters:
            best = net.best(members)
            if is_for is rise:
                stronger = [(p - best, f) for n, p in members if p > best and (f := self.needed(n, YES, left))]
                block = dict.fromkeys(pair for _, found in stronger for pair in found[1])
                yield Decimal(max((gain for gain, _ in stronger), default=0)), block
            elif best:
                falls = [(p, self.needed(n, NOT_YES, left)) for n, p in members if net.truth[n] is True]
                kept = max((p for p, found in falls if found is None), default=0)
                if kept < best:  # all that are as strong must fall
                    yield Decimal(best - kept), min((f[1] for p, f in falls if f is not None and p == best), key=len)

    def _pairs(self, name: str, left: int) -> Iterator[Pair]:
        """The changes of a finding that are still to be tried."""
        if self.net.can_change(name) and name not in self.chosen:
            for answer in self.values.answers(name, left, self.chosen):
                if (name, answer) not in self.ruled_out:
                    yield name, answer

    # The search ------------------------------------------------------------------------------------------------------

    def solutions(self, size: int, most: int, contradicting: int | None = None) -> list[tuple[Pair, ...]]:
        """The sets of so many changes that reach the goal, where no smaller set does; at most so many of them, and only
        those that contradict so many answers, where that is given."""
        found: list[tuple[Pair, ...]] = []
        self._descend(size, most, contradicting, found)
        return found

    def _descend(self, left: int, most: int, contradicting: int | None, found: list[tuple[Pair, ...]]) -> None:
        if not left:
            if self.net.is_so(self.goal, YES) and not contradicting:
                found.append(tuple(self.chosen.items()))
            return
        self.memo = {}
        needed = self.needed(self.goal, YES, left)
        tried: list[Pair] = []
        for pair in needed[1] if needed is not None else ():
            name, answer = pair
            budget = contradicting
            if budget is not None and self._is_decided(name):
                budget -= 1
            if budget is None or budget >= 0:
                take_back = self.net.change(name, answer)
                self.chosen[name] = answer
                self._descend(left - 1, most, budget, found)
                del self.chosen[name]
                take_back()
            if len(found) >= most:
                break
            self.ruled_out.add(pair)
            tried.append(pair)
        self.ruled_out.difference_update(tried)

    def _is_decided(self, name: str) -> bool:
        return name in self.start.findings or self.start.closed(name)

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
        return sum((abs(v - self.values.nice(n)) for n, v in numbers), Decimal(0)), numbers

    def _change(self, name: str, best: Mapping[str, Answer], members: list[dict[str, Answer]]) -> Change:
        finding = self.knowledge.findings[name]
        answer = best[name]
        within = ""
        if answer.quantity is not None:
            after = amount(_exact(answer), self.values.scale(name).unit)
            if not self.values.is_input(name):
                rest = {n: a for n, a in best.items() if n != name}
                will_do = {_exact(m[name]) for m in members if {n: a for n, a in m.items() if n != name} == rest}
                within = self._stretch(name, _exact(answer), will_do)
        else:
            after = answer.choice.replace("_", " ") or ("yes" if answer.truth else "no")
        before = "no" if self._is_decided(name) else NOT_KNOWN
        if name in self.start.findings:
            before = value_in_words(self.start, name).replace("_", " ")
        return Change(name, finding.title, before, after, within, answer)

    def _stretch(self, name: str, value: Decimal, will_do: set[Decimal]) -> str:
        """All values around one that do as well, in words; '' when there is no other."""
        unit = self.values.scale(name).unit
        cells = self.values.cells(name)
        first = last = next(i for i, (low, _, high) in enumerate(cells) if low <= value <= high)
        while first > 0 and cells[first - 1][1] in will_do:
            first -= 1
        while last + 1 < len(cells) and cells[last + 1][1] in will_do:
            last += 1
        low, high = cells[first][0], cells[last][2]
        if low == high:
            return ""
        if first == 0:
            return f"{amount(high, unit)} or less"
        if last == len(cells) - 1:
            return f"{amount(low, unit)} or more"
        return f"{plain(low)} to {amount(high, unit)}"


def _enough(gains: list[Gain], short: Decimal, strict: bool, left: int) -> Found | None:
    """What it takes to gain so much, or more where that is strict. A finding changes once, and gives no more than all the
    gains together that a change of it is needed for."""

    def suffices(total: Decimal) -> bool:
        return total > short if strict else total >= short

    gains = [(gain, inner) for gain, inner in gains if inner]
    worth: dict[Pair, Decimal] = {}
    for gain, inner in gains:
        for pair in inner:
            worth[pair] = worth.get(pair, Decimal(0)) + gain
    by_name: dict[str, Decimal] = {}
    for (name, _), value in worth.items():
        by_name[name] = max(by_name.get(name, Decimal(0)), value)
    best = sorted(by_name.values(), reverse=True)[:left]
    cost = next((n for n in range(1, len(best) + 1) if suffices(sum(best[:n], Decimal(0)))), 0)
    if not cost or not suffices(sum((gain for gain, _ in gains), Decimal(0))):
        return None
    left_out = Decimal(0)
    block: Block = {}
    for gain, inner in sorted(gains, key=lambda g: -len(g[1])):
        if suffices(left_out + gain):
            block.update(inner)
        else:
            left_out += gain
    others = sum(best[: left - 1], Decimal(0))
    return cost, {pair: None for pair in block if suffices(worth[pair] + others)}


def _exact(answer: Answer) -> Decimal:
    assert answer.quantity is not None and answer.quantity.exact is not None
    return answer.quantity.exact


__all__ = ["AIMS", "COUNTED", "LISTED", "MOST", "Change", "Smallest", "smallest_change"]
