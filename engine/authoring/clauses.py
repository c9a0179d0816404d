"""Doubts about conditions: clauses that decide nothing, rules that count one answer twice, bands that leave a gap.

They are found by trying values: of each name the few that stand for all others, as far as the leaves at hand can tell.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial

from ..inference.bounds import Horizon, cells, limits_of
from ..knowledge.checks import conditions_of
from ..knowledge.conditions import in_one_line, leaf_in_words
from ..knowledge.model import (
    CHOICE,
    LEAVES,
    All,
    Answer,
    AnyOf,
    AtLeast,
    Compare,
    Concept,
    Condition,
    IsOneOf,
    Knowledge,
    Leaf,
    Not,
    Rule,
    Score,
    TimesUpperLimit,
    leaves,
)
from ..knowledge.problems import WARNING, Place, Problems, shown
from ..knowledge.quantities import Interval, in_words
from ..knowledge.truth import Valuation, combined, leaf_truth, names_in, score_interval

Literal = tuple[Leaf, bool]  # a leaf, and whether it is wanted yes
_OPPOSITE = {">=": "<", "<": ">=", ">": "<=", "<=": ">"}


# Normal form ---------------------------------------------------------------------------------------------------------


def normal(condition: Condition, wanted: bool = True) -> Condition:
    """The condition with `not` at the leaves, nested lists of one kind made one, and clauses in one order, each once:
    conditions that say the same in another order become equal. In Kleene's logic each step keeps the meaning."""
    if isinstance(condition, LEAVES):
        return _normal_leaf(condition, wanted)
    if isinstance(condition, Not):
        return normal(condition.child, not wanted)
    children = [normal(child, wanted) for child in condition.children]
    count = 1 if isinstance(condition, AnyOf) else len(children)
    if isinstance(condition, AtLeast):
        count = condition.count
    if not wanted:  # fewer than `count` are yes where so many are no
        count = len(children) - count + 1
    if 1 < count < len(children):
        return AtLeast(count, tuple(sorted(children, key=in_one_line)))
    kind = All if count == len(children) else AnyOf
    flat = [c for child in children for c in (child.children if isinstance(child, kind) else (child,))]
    once = {in_one_line(child): child for child in flat}
    return next(iter(once.values())) if len(once) == 1 else kind(tuple(once[line] for line in sorted(once)))


def _normal_leaf(leaf: Leaf, wanted: bool) -> Condition:
    if isinstance(leaf, IsOneOf):
        leaf = replace(leaf, values=tuple(sorted(set(leaf.values))))
    if isinstance(leaf, (Compare, TimesUpperLimit)) and not wanted:
        return replace(leaf, operator=_OPPOSITE[leaf.operator])
    return leaf if wanted else Not(leaf)


def literal(clause: Condition) -> Literal | None:
    """The leaf that a clause consists of, and whether it is wanted yes; None of a tree."""
    if isinstance(clause, LEAVES):
        return clause, True
    inner = literal(clause.child) if isinstance(clause, Not) else None
    return None if inner is None else (inner[0], not inner[1])


def _shape(condition: Condition) -> tuple[str, tuple[Decimal, ...]]:
    """The condition in one line without the limits of its comparisons, and those limits."""
    limits: list[Decimal] = []

    def bare(part: Condition) -> Condition:
        if isinstance(part, Compare):
            limits.append(part.limit)
            return replace(part, limit=Decimal(0), written="?")
        if isinstance(part, Not):
            return Not(bare(part.child))
        if isinstance(part, LEAVES):
            return part
        return replace(part, children=tuple(map(bare, part.children)))

    return in_one_line(bare(condition)), tuple(limits)


# Values --------------------------------------------------------------------------------------------------------------


def values_of(knowledge: Knowledge, name: str, told: Iterable[Leaf]) -> tuple[Answer, ...]:
    """Answers of a finding, concept or score such that any other reads, for these leaves, like one of them."""
    told = tuple(told)
    if name in knowledge.scores:
        return tuple(Answer(quantity=Interval(v, v)) for v in _totals(knowledge.scores[name], limits_of(told, None)))
    finding = knowledge.findings.get(name)
    if finding is not None and finding.kind == CHOICE:
        return tuple(Answer(choice=choice) for choice, _ in finding.choices)
    if finding is None or finding.scale is None:
        return (Answer(truth=True), Answer(truth=False))
    scale = finding.scale
    values = cells(scale, limits_of(told, scale.reference))
    return tuple(Answer(quantity=Interval(v, v), reference=scale.reference) for v in values)


def _totals(score: Score, limits: Iterable[Decimal]) -> tuple[Decimal, ...]:
    """Totals between the least and the most that the items allow, on either side of each limit; rising."""
    reach = score_interval(score, [None] * len(score.counted))
    assert reach.low is not None and reach.high is not None
    step = min((Decimal(1).scaleb(min(0, int(i.points.normalize().as_tuple().exponent))) for i in score.counted), default=1)
    near = {v for limit in limits for v in (limit - step, limit, limit + step)}
    return tuple(sorted({reach.low, reach.high, *(v for v in near if reach.low <= v <= reach.high)}))


def _holds(clause: Literal, values: tuple[Answer, ...]) -> frozenset[int]:
    """For which of the values the clause is yes."""
    leaf, wanted = clause
    return frozenset(i for i, value in enumerate(values) if leaf_truth(leaf, {leaf.name: value}) is wanted)


# Clauses -------------------------------------------------------------------------------------------------------------


def check_conditions(knowledge: Knowledge, problems: Problems) -> None:
    """Every clause decides something, and none of them twice."""
    gates = ((f.name, f.ask_when, f.place) for f in knowledge.findings.values() if f.ask_when is not None)
    impossible = ((i.id, i.when, i.place) for i in knowledge.impossible.values())
    for owner, condition, place in (*conditions_of(knowledge), *gates, *impossible):
        for leaf in leaves(condition):
            _check_leaf(knowledge, leaf, problems)
        for part in _trees(condition):
            _Clauses(knowledge, owner, part, place_of(part, place), problems).check()


def _trees(condition: Condition) -> Iterator[All | AnyOf | AtLeast]:
    if isinstance(condition, Not):
        yield from _trees(condition.child)
    elif not isinstance(condition, LEAVES):
        yield condition
        for child in condition.children:
            yield from _trees(child)


def place_of(condition: Condition, default: Place) -> Place:
    """Where a condition begins: a tree has no place of its own, so that of its first clause."""
    return next((leaf.place for leaf in leaves(condition)), default)


def _check_leaf(knowledge: Knowledge, leaf: Leaf, problems: Problems) -> None:
    """A comparison comes out one way for some values and the other way for others."""
    values = values_of(knowledge, leaf.name, (leaf,))
    holding = len(_holds((leaf, True), values))
    if isinstance(leaf, IsOneOf) and len(set(leaf.values)) < len(leaf.values):
        problems.add(leaf.place, "duplicate-clause", f"'{leaf_in_words(leaf)}' names a choice twice", severity=WARNING)
    if holding in (0, len(values)):
        said = "no" if holding == 0 else "yes"
        problems.add(
            leaf.place,
            "constant-clause",
            f"'{leaf_in_words(leaf)}' is {said} whatever the value: {_reach(knowledge, leaf.name, values)}",
            "move the limit, or leave the clause out",
            severity=WARNING,
        )


def _reach(knowledge: Knowledge, name: str, values: tuple[Answer, ...]) -> str:
    """What a name can be, in words."""
    finding = knowledge.findings.get(name)
    if finding is not None and finding.kind == CHOICE:
        return "these are all its choices"
    low, high = values[0].quantity, values[-1].quantity
    assert low is not None and high is not None
    unit = finding.scale.unit if finding is not None and finding.scale is not None else "points"
    return f"it lies within {in_words(Interval(low.low, high.high), unit)}"


class _Clauses:
    """The clauses of one list, looked at side by side."""

    def __init__(
        self, knowledge: Knowledge, owner: str, tree: All | AnyOf | AtLeast, place: Place, problems: Problems
    ) -> None:
        self.knowledge = knowledge
        self.owner = owner
        self.tree = tree
        self.place = place
        self.problems = problems

    def check(self) -> None:
        if not self.tree.children:
            return
        self._check_list()
        self._check_twice()
        if not isinstance(self.tree, AtLeast):
            self._check_absorbed()
            self._check_values()

    def _doubt(self, part: Condition, code: str, message: str, help: str = "") -> None:
        self.problems.add(place_of(part, self.place), code, message, help, severity=WARNING)

    def _check_list(self) -> None:
        """A list has clauses to choose from, and a count counts."""
        tree = self.tree
        number = len(tree.children)
        if number == 1:
            self._doubt(tree, "needless-list", f"'{self.owner}' has a list of one clause", "write the clause alone")
        elif isinstance(tree, AtLeast) and tree.count in (1, number):
            word = "any" if tree.count == 1 else "all"
            said = f"'{self.owner}': at least {tree.count} of {number} is '{word}'"
            self._doubt(tree, "needless-list", said, f"write '{word}:'")

    def _check_twice(self) -> None:
        """No clause stands twice, in whatever order its own clauses are written."""
        seen: set[str] = set()
        for child in self.tree.children:
            line = in_one_line(normal(child))
            if line in seen:
                counted = ", and counts twice" if isinstance(self.tree, AtLeast) else ""
                self._doubt(child, "duplicate-clause", f"'{self.owner}' says {shown(line)} twice{counted}", "leave one out")
            seen.add(line)

    def _check_absorbed(self) -> None:
        """No alternative repeats what is asked for beside it: a and (a or b) is a; a or (a and b) is a."""
        beside = {in_one_line(normal(child)) for child in self.tree.children}
        other = AnyOf if isinstance(self.tree, All) else All
        for child in map(normal, self.tree.children):
            for line in (in_one_line(c) for c in (child.children if isinstance(child, other) else ())):
                if line in beside:
                    said = f"'{self.owner}': a list decides nothing beside {shown(line)}, which stands in it, too"
                    self._doubt(child, "redundant-clause", said, "leave the list out, or the clause in it")

    def _check_values(self) -> None:
        """Clauses about one name leave it something to be, and each of them narrows (in `any`: widens) what that is."""
        by_name: dict[tuple[str, bool], list[Literal]] = {}
        for clause in map(literal, self._flat()):
            if clause is not None:  # what is compared with a reference interval moves with the laboratory's own
                fixed = isinstance(clause[0], Compare)
                by_name.setdefault((clause[0].name, fixed), []).append(clause)
        for (name, _), clauses in by_name.items():
            if len(clauses) > 1:
                self._check_together(name, clauses)

    def _flat(self) -> Iterator[Condition]:
        """The clauses with those of lists of the same kind inside it."""
        for child in self.tree.children:
            yield from child.children if isinstance(child, type(self.tree)) else (child,)

    def _check_together(self, name: str, clauses: list[Literal]) -> None:
        values = values_of(self.knowledge, name, (leaf for leaf, _ in clauses))
        holds = [_holds(clause, values) for clause in clauses]
        everything = frozenset(range(len(values)))
        words = ", ".join(f"'{_in_words(clause)}'" for clause in clauses)
        first = clauses[0][0]
        if isinstance(self.tree, All) and not frozenset.intersection(*holds):
            said = f"'{self.owner}' can never be yes: {words} hold together of no value"
            self._doubt(first, "contradictory-clauses", said, "did you mean 'any'?")
            return
        if isinstance(self.tree, AnyOf) and frozenset.union(*holds) == everything:
            said = f"'{self.owner}' is yes whatever '{name}' is: {words} leave nothing out"
            self._doubt(first, "always-yes", said, "did you mean 'all'?")
            return
        for (i, one), (j, other) in itertools.permutations(enumerate(holds), 2):
            outdone = one > other if isinstance(self.tree, All) else one < other
            if outdone:
                said = f"'{self.owner}': '{_in_words(clauses[i])}' decides nothing beside '{_in_words(clauses[j])}'"
                self._doubt(clauses[i][0], "redundant-clause", said, "leave it out, or look at its limit")
                return


def _in_words(clause: Literal) -> str:
    return ("" if clause[1] else "not ") + leaf_in_words(clause[0])


# Rules side by side --------------------------------------------------------------------------------------------------


def _pairs(knowledge: Knowledge) -> Iterator[tuple[Rule, Rule]]:
    """Every two rules of one diagnosis, in the order in which they are written."""
    for rules in knowledge.rules_of.values():
        yield from itertools.combinations(sorted(rules, key=lambda rule: rule.place), 2)


def _one_cluster(first: Rule, second: Rule) -> bool:
    return bool(first.cluster) and first.cluster == second.cluster


def check_near_duplicates(knowledge: Knowledge, problems: Problems) -> None:
    """No two rules of a diagnosis and a direction have the same condition, or one that differs in a single limit, unless
    they grade it: different strengths in one cluster. None speaks for and another against on the same condition."""
    shapes = {rule.id: _shape(normal(rule.when)) for rule in knowledge.rules.values()}
    for first, second in _pairs(knowledge):
        (shape, limits), (other_shape, other_limits) = shapes[first.id], shapes[second.id]
        if shape != other_shape:
            continue
        different = sum(1 for a, b in zip(limits, other_limits, strict=True) if a != b)
        if first.is_for != second.is_for:
            if not different:
                said = f"'{second.id}' {second.then} on the very condition on which '{first.id}' {first.then}"
                problems.add(second.place, "for-and-against", said, "keep one of the two", severity=WARNING)
        elif not different or (different == 1 and (first.then == second.then or not _one_cluster(first, second))):
            how = "has the condition of" if not different else "differs only in one limit from"
            said = f"'{second.id}' {how} '{first.id}' ({first.place})"
            help = "merge them; or let one cluster hold them, with a strength for each limit"
            problems.add(second.place, "near-duplicate-rule", said, help, severity=WARNING)


def check_double_counting(knowledge: Knowledge, problems: Problems) -> None:
    """One answer alone, with nothing else known, never makes two rules count that are not aspects of one mechanism: that
    stand in no common cluster, and weigh for the same diagnosis in the same direction."""
    horizon = Horizon(knowledge)
    rules_on: dict[str, list[Rule]] = {}
    for rule in sorted(knowledge.rules.values(), key=lambda rule: rule.place):
        if knowledge.weighing.points(rule.then):  # what establishes or excludes adds no points
            for name in horizon.root(rule.when).rests_on:
                rules_on.setdefault(name, []).append(rule)
    told: set[tuple[str, str]] = set()
    for name, rules in rules_on.items():
        pairs = [p for p in itertools.combinations(rules, 2) if _would_add_up(*p) and (p[0].id, p[1].id) not in told]
        for answer in values_of(knowledge, name, horizon.tests.get(name, ())) if pairs else ():
            valuation = Valuation(knowledge, {name: answer})
            fired = {r.id for r in rules if any(r in p for p in pairs) and valuation.of(r.when)}
            for first, second in pairs:
                if {first.id, second.id} <= fired and (first.id, second.id) not in told:
                    told.add((first.id, second.id))
                    said = f"'{name}' {_answered(knowledge, name, answer)} makes both '{second.id}' and '{first.id}' count"
                    help = f"give the two one cluster, or have one of them ask for more; see {first.place}"
                    problems.add(second.place, "double-counting", said, help, severity=WARNING)


def check_nested_rules(knowledge: Knowledge, problems: Problems) -> None:
    """No rule asks for all that another asks for, and more, while both count: whenever it fires, so does the other."""
    asked = {rule.id: _clauses_of(normal(rule.when)) for rule in knowledge.rules.values()}
    for pair in _pairs(knowledge):
        wide, narrow = sorted(pair, key=lambda rule: len(asked[rule.id]))
        weighs = knowledge.weighing.points(wide.then) and knowledge.weighing.points(narrow.then)
        if weighs and asked[wide.id] < asked[narrow.id] and _would_add_up(wide, narrow):
            said = f"whenever '{narrow.id}' fires, '{wide.id}' ({wide.place}) counts beside it"
            help = "give the two one cluster; or weigh the narrower by what its other clauses add"
            problems.add(narrow.place, "nested-rules", said, help, severity=WARNING)


def _clauses_of(condition: Condition) -> frozenset[str]:
    """The clauses that are all asked for, each in one line."""
    return frozenset(map(in_one_line, condition.children if isinstance(condition, All) else (condition,)))


def _would_add_up(first: Rule, second: Rule) -> bool:
    return first.diagnosis == second.diagnosis and first.is_for == second.is_for and not _one_cluster(first, second)


def _answered(knowledge: Knowledge, name: str, answer: Answer) -> str:
    """An answer in words, behind the name of its finding."""
    if answer.quantity is not None:
        scale = knowledge.findings[name].scale
        return f"at {in_words(answer.quantity, scale.unit if scale is not None else 'points')}"
    return f"is {answer.choice}" if answer.choice else "alone" if answer.truth else "known no"


def check_duplicate_concepts(knowledge: Knowledge, problems: Problems) -> None:
    """No two concepts are defined alike."""
    seen: dict[str, Concept] = {}
    for concept in sorted(knowledge.concepts.values(), key=lambda c: c.place):
        earlier = seen.setdefault(in_one_line(normal(concept.when)), concept)
        if earlier is not concept:
            said = f"'{concept.name}' is defined as '{earlier.name}' is ({earlier.place})"
            problems.add(concept.place, "duplicate-concept", said, "keep one of the two names", severity=WARNING)


# Partitions ----------------------------------------------------------------------------------------------------------


def check_partitions(knowledge: Knowledge, problems: Problems) -> None:
    """The concepts of a partition divide all values of one finding or score among them: each value has exactly one."""
    partitions: dict[str, list[Concept]] = {}
    for concept in sorted(knowledge.concepts.values(), key=lambda c: c.place):
        if concept.partition:
            partitions.setdefault(concept.partition, []).append(concept)
    for name, members in partitions.items():
        read = dict.fromkeys(n for member in members for n in names_in(member.when))
        if len(read) == 1:
            _check_partition(knowledge, name, members, next(iter(read)), problems)
        else:
            said = f"the concepts of the partition '{name}' read {', '.join(map(shown, read))}"
            help = "a partition divides the values of one finding or score, read by each of its concepts itself"
            problems.add(members[0].partition_place, "not-a-partition", said, help, severity=WARNING)


def _check_partition(knowledge: Knowledge, partition: str, members: list[Concept], name: str, problems: Problems) -> None:
    values = values_of(knowledge, name, (leaf for member in members for leaf in leaves(member.when)))
    told: set[str] = set()
    for value in values:
        within = [m for m in members if combined(m.when, partial(leaf_truth, findings={name: value})) is True]
        if len(within) == 1:
            continue
        code = "partition-overlap" if within else "partition-gap"
        place = within[-1].place if within else members[0].partition_place
        said = f"'{name}' {_answered(knowledge, name, value)} is in " + (
            " and in ".join(f"'{m.name}'" for m in within) if within else f"no concept of the partition '{partition}'"
        )
        if said.split(" is in ")[-1] not in told:  # once for each set of concepts, at the first value
            told.add(said.split(" is in ")[-1])
            problems.add(place, code, said, "look at >= and >, and at the decimals of the quantity", severity=WARNING)
