"""Mutants: the knowledge base with one small fault put in. Regression cases are worth what such faults they notice.

A mutant is one thing (a rule, a red flag, a concept ...) that reads a little otherwise. Those that mean the same as the
original, or as another mutant of the same condition, after writing both in one plain form, are not made.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

from ..knowledge.conditions import in_one_line, leaf_in_words
from ..knowledge.model import (
    AGAINST,
    DO_NOT_MISS,
    FOR,
    LEAVES,
    URGENCIES,
    Advice,
    All,
    AnyOf,
    AtLeast,
    Compare,
    Concept,
    Condition,
    Diagnosis,
    IsOneOf,
    Item,
    Knowledge,
    Leaf,
    Not,
    Note,
    RedFlag,
    Rule,
    Score,
    TimesUpperLimit,
    leaves,
)
from ..knowledge.problems import Place
from ..knowledge.quantities import Interval, plain

RED_FLAG, EXCLUDES, DANGEROUS, SCORE = "red flag", "excludes rule", "do-not-miss rule", "score"
ADVICE, NEEDS, CONCEPT, RULE, NOTE = "advice gate", "needs", "concept", "other rule", "note or scope"
KINDS = (RED_FLAG, EXCLUDES, DANGEROUS, SCORE, ADVICE, NEEDS, CONCEPT, RULE, NOTE)
SHELVES = ("red_flags", "rules", "scores", "advice", "diagnoses", "concepts", "notes", "scope")  # what is mutated
ALWAYS = All(())
_STRICT = {">=": ">", ">": ">=", "<=": "<", "<": "<="}  # the same limit, itself inside or outside
_OPPOSITE = {">=": "<", "<": ">=", ">": "<=", "<=": ">"}

Thing = Concept | Score | Rule | RedFlag | Note | Advice | Diagnosis


@dataclass(frozen=True)
class Mutant:
    """One thing of the knowledge base, and how it reads in the mutant."""

    id: str  # stable while the thing is not rewritten: `RULE-ID:flip:3`
    kind: str  # of KINDS
    owner: str
    diagnosis: str  # to which it belongs; '' for none
    words: str
    place: Place
    shelf: str  # of SHELVES
    before: Thing
    after: Thing

    def apply(self, knowledge: Knowledge) -> Knowledge:
        """The knowledge base with the fault in it. It has no hash: nothing may take it for the original."""
        things: Mapping[str, Thing] = getattr(knowledge, self.shelf)
        changed: Any = {self.shelf: MappingProxyType({**things, self.owner: self.after})}
        return replace(knowledge, hash="", **changed)


@dataclass(frozen=True)
class _Slot:
    """A place in a thing where a condition stands."""

    name: str  # '' where the thing has only one
    condition: Condition
    put: Callable[[Condition], Thing]
    may_grow: bool = True  # an item of a score is one leaf


@dataclass(frozen=True)
class _Change:
    """Something done to a part of a thing."""

    label: str  # the end of the mutant's id
    words: str
    at: Leaf | None = None  # the clause, or the first leaf of it
    of_limit: bool = False


def mutants_of(knowledge: Knowledge, owner: str | None = None) -> Iterator[Mutant]:
    """Every mutant, in a fixed order; of one thing where `owner` is its id, of a diagnosis with all that belongs to it."""
    for shelf in SHELVES:
        for id, thing in getattr(knowledge, shelf).items():
            if owner in (None, id, diagnosis_of(thing)):
                for change, after in _changes(knowledge, thing):
                    place = change.at.place if change.at is not None and change.at.place.line else thing.place
                    kind = _kind(knowledge, thing, change)
                    belongs = diagnosis_of(thing)
                    yield Mutant(f"{id}:{change.label}", kind, id, belongs, change.words, place, shelf, thing, after)


def diagnosis_of(thing: Thing) -> str:
    """The diagnosis that the thing is or belongs to; '' for none."""
    if isinstance(thing, Diagnosis):
        return thing.id
    return thing.diagnosis if isinstance(thing, (Rule, Score, Advice)) else ""


def _kind(knowledge: Knowledge, thing: Thing, change: _Change) -> str:
    if isinstance(thing, Score) or (change.of_limit and change.at is not None and change.at.name in knowledge.scores):
        return SCORE
    if isinstance(thing, Rule):
        if thing.then == "excludes":
            return EXCLUDES
        return DANGEROUS if knowledge.diagnoses[thing.diagnosis].tier == DO_NOT_MISS else RULE
    kinds = ((RedFlag, RED_FLAG), (Advice, ADVICE), (Diagnosis, NEEDS), (Concept, CONCEPT))
    return next((kind for made_of, kind in kinds if isinstance(thing, made_of)), NOTE)


def _changes(knowledge: Knowledge, thing: Thing) -> Iterator[tuple[_Change, Thing]]:
    for slot in _slots(thing):
        seen = {meaning(slot.condition)}
        for change, condition in _of_condition(knowledge, thing, slot):
            means = meaning(condition)
            if means not in seen:
                seen.add(means)
                prefix = f"{slot.name}:" if slot.name else ""
                yield replace(change, label=prefix + change.label), slot.put(condition)
    if isinstance(thing, Rule):
        yield from _of_strength(thing)
    elif isinstance(thing, RedFlag):
        yield from _of_urgency(thing)
    elif isinstance(thing, Score):
        yield from _of_points(thing)
    elif isinstance(thing, Advice):
        if thing.when != ALWAYS:
            yield _Change("when:drop", "given without its condition"), replace(thing, when=ALWAYS)
        if thing.unless is not None:
            yield _Change("unless:drop", "given without regard to `unless`"), replace(thing, unless=None)
    elif isinstance(thing, Diagnosis):
        if thing.needs is not None:
            yield _Change("needs:drop", "without its `needs`"), replace(thing, needs=None)
        if thing.likely_needs is not None:
            yield _Change("likely_needs:drop", "without its `likely_needs`"), replace(thing, likely_needs=None)
        for leaf in thing.needs_no:
            rest = tuple(other for other in thing.needs_no if other != leaf)
            words = f"without regard to '{leaf.name}' in `needs_no`"
            yield _Change(f"needs_no:drop:{leaf.name}", words, leaf), replace(thing, needs_no=rest)


def _slots(thing: Thing) -> Iterator[_Slot]:
    if isinstance(thing, Score):
        for number, item in enumerate(thing.counted, 1):
            put = partial(_with_item_when, thing, number - 1)
            yield _Slot(f"item-{number}", item.when, put, may_grow=False)
    elif isinstance(thing, Diagnosis):
        if thing.needs is not None:
            yield _Slot("needs", thing.needs, lambda new: replace(thing, needs=new))
        if thing.likely_needs is not None:
            yield _Slot("likely_needs", thing.likely_needs, lambda new: replace(thing, likely_needs=new))
    elif isinstance(thing, Advice):
        yield _Slot("when", thing.when, lambda new: replace(thing, when=new))
        if thing.unless is not None:
            yield _Slot("unless", thing.unless, lambda new: replace(thing, unless=new))
    else:
        yield _Slot("", thing.when, lambda new: replace(thing, when=new))


# What is done to a condition -----------------------------------------------------------------------------------------


def _of_condition(knowledge: Knowledge, thing: Thing, slot: _Slot) -> Iterator[tuple[_Change, Condition]]:
    for number, (node, put) in enumerate(_nodes(slot.condition), 1):
        changes = _of_leaf(knowledge, node, number) if isinstance(node, LEAVES) else _of_tree(node, number)
        for change, new in changes:
            yield change, put(new)
    leaf = _neighbour(knowledge, thing, slot.condition) if slot.may_grow else None
    if leaf is not None:
        said = leaf_in_words(leaf)
        yield _Change("add:all", f"only with '{said}', too"), _joined(All, slot.condition, leaf)
        yield _Change("add:any", f"also by '{said}' alone"), _joined(AnyOf, slot.condition, leaf)


def _nodes(condition: Condition) -> Iterator[tuple[Condition, Callable[[Condition], Condition]]]:
    """Every node of the tree from the root down, with what puts another in its place."""
    yield condition, lambda new: new
    children = () if isinstance(condition, LEAVES) else _children(condition)
    for number, child in enumerate(children):
        for node, put in _nodes(child):
            yield node, partial(_put, condition, number, put)


def _children(tree: Not | All | AnyOf | AtLeast) -> tuple[Condition, ...]:
    return (tree.child,) if isinstance(tree, Not) else tree.children


def _put(tree: Condition, number: int, put: Callable[[Condition], Condition], new: Condition) -> Condition:
    child = put(new)
    if isinstance(tree, Not):
        return child.child if isinstance(child, Not) else Not(child)
    assert isinstance(tree, (All, AnyOf, AtLeast))
    return replace(tree, children=(*tree.children[:number], child, *tree.children[number + 1 :]))


def _of_leaf(knowledge: Knowledge, leaf: Leaf, number: int) -> Iterator[tuple[_Change, Condition]]:
    said = leaf_in_words(leaf)
    yield _Change(f"flip:{number}", f"the opposite of '{said}'", leaf), Not(leaf)
    if isinstance(leaf, Compare):
        step = _step(knowledge, leaf.name)
        moved: list[tuple[str, Leaf]] = [
            ("up", _at_limit(knowledge, leaf, leaf.limit + step)),
            ("down", _at_limit(knowledge, leaf, leaf.limit - step)),
            ("operator", replace(leaf, operator=_STRICT[leaf.operator])),
        ]
        moved = [(how, new) for how, new in moved if _may_differ(knowledge, leaf, new, step)]
    elif isinstance(leaf, TimesUpperLimit):
        step = Decimal(1).scaleb(int(leaf.factor.as_tuple().exponent))
        moved = [("up", replace(leaf, factor=leaf.factor + step)), ("down", replace(leaf, factor=leaf.factor - step))]
        moved.append(("operator", replace(leaf, operator=_STRICT[leaf.operator])))
    elif isinstance(leaf, IsOneOf) and len(leaf.values) > 1:
        fewer = [(v, tuple(other for other in leaf.values if other != v)) for v in leaf.values]
        moved = [(f"without-{value}", replace(leaf, values=others)) for value, others in fewer]
    else:
        moved = []
    for how, new in moved:
        yield _Change(f"{how}:{number}", f"'{leaf_in_words(new)}' instead of '{said}'", leaf, of_limit=True), new


def _of_tree(tree: Not | All | AnyOf | AtLeast, number: int) -> Iterator[tuple[_Change, Condition]]:
    if isinstance(tree, Not):
        return
    some = len(tree.children)
    for dropped, child in enumerate(tree.children, 1) if some > 1 else ():
        rest = tuple(other for at, other in enumerate(tree.children, 1) if at != dropped)
        left = replace(tree, children=rest)
        if isinstance(left, AtLeast):
            left = replace(left, count=min(left.count, some - 1))
        first = next(leaves(child), None)
        yield _Change(f"drop:{number}.{dropped}", f"without the clause '{in_one_line(child)}'", first), left
    first = next(leaves(tree), None)
    names = "; ".join(map(in_one_line, tree.children))
    if isinstance(tree, AtLeast):
        for how, count in (("more", tree.count + 1), ("fewer", tree.count - 1)):
            if 1 <= count <= some:
                said = f"at least {count} instead of {tree.count} of: {names}"
                yield _Change(f"{how}:{number}", said, first), replace(tree, count=count)
    elif isinstance(tree, All):
        yield _Change(f"swap:{number}", f"any instead of all of: {names}", first), AnyOf(tree.children)
    else:
        yield _Change(f"swap:{number}", f"all instead of any of: {names}", first), All(tree.children)


def _step(knowledge: Knowledge, name: str) -> Decimal:
    """The smallest step of a quantity, or by which the points of a score's items differ."""
    if name in knowledge.scores:
        return _points_step(knowledge.scores[name])
    scale = knowledge.findings[name].scale
    assert scale is not None
    return Decimal(1).scaleb(-scale.decimals)


def _points_step(score: Score) -> Decimal:
    points = sorted({Decimal(0), *(abs(item.points) for item in score.counted)})
    return min((b - a for a, b in itertools.pairwise(points)), default=Decimal(1))


def _at_limit(knowledge: Knowledge, leaf: Compare, limit: Decimal) -> Compare:
    scale = None if leaf.name in knowledge.scores else knowledge.findings[leaf.name].scale
    unit = "points" if scale is None else scale.unit
    return replace(leaf, limit=limit, written=f"{plain(limit)} {unit}")


def _may_differ(knowledge: Knowledge, leaf: Compare, new: Leaf, step: Decimal) -> bool:
    """Whether some plausible value of the quantity, or total of the score within its bounds, tells the two apart."""
    assert isinstance(new, Compare)
    if leaf.name in knowledge.scores:
        return True
    scale = knowledge.findings[leaf.name].scale
    assert scale is not None
    near = [v for v in (leaf.limit - step, leaf.limit, leaf.limit + step) if scale.plausible[0] <= v <= scale.plausible[1]]
    return any(
        Interval(v, v).compared(leaf.operator, leaf.limit) is not Interval(v, v).compared(new.operator, new.limit)
        for v in near
    )


def _neighbour(knowledge: Knowledge, thing: Thing, condition: Condition) -> Leaf | None:
    """A clause that is not in the condition: the first of the next things of its kind (of a diagnosis, its rules) that
    speaks of an answer, and so rests on nothing; None where there is none."""
    conditions = _beside(knowledge, thing)
    own = set(leaves(condition))
    for other in conditions:
        for leaf in leaves(other):
            if leaf.name in knowledge.findings and leaf.name not in knowledge.depth and leaf not in own:
                return leaf
    return None


def _beside(knowledge: Knowledge, thing: Thing) -> Iterable[Condition]:
    """The conditions of the other things of its kind, beginning with the next."""
    if isinstance(thing, (Advice, Diagnosis)):
        return (rule.when for rule in knowledge.rules_of[diagnosis_of(thing)])
    others: tuple[Any, ...]
    if isinstance(thing, Rule):
        others = knowledge.rules_of[thing.diagnosis]
    elif isinstance(thing, RedFlag):
        others = tuple(knowledge.red_flags.values())
    elif isinstance(thing, Concept):
        others = tuple(knowledge.concepts.values())
    else:
        others = (*knowledge.notes.values(), *knowledge.scope.values())
    at = next(number for number, other in enumerate(others) if other == thing)
    return (other.when for other in (*others[at + 1 :], *others[:at]))


def _joined(tree: type[All] | type[AnyOf], condition: Condition, leaf: Leaf) -> Condition:
    return tree((*condition.children, leaf) if isinstance(condition, tree) else (condition, leaf))


def meaning(condition: Condition) -> str:
    """The condition in one plain form: what differs only in how it is written comes out alike."""
    return in_one_line(_plain(condition))


def _plain(condition: Condition) -> Condition:
    if isinstance(condition, Compare):
        return replace(condition, written="")
    if isinstance(condition, LEAVES):
        return condition
    if isinstance(condition, Not):
        child = _plain(condition.child)
        if isinstance(child, Not):
            return child.child
        if isinstance(child, (Compare, TimesUpperLimit)):
            return replace(child, operator=_OPPOSITE[child.operator])
        return Not(child)
    children = [_plain(child) for child in condition.children]
    if isinstance(condition, AtLeast) and 1 < condition.count < len(children):
        return AtLeast(condition.count, tuple(sorted(children, key=in_one_line)))
    of_all = isinstance(condition, All) or (isinstance(condition, AtLeast) and condition.count > 1)
    tree: type[All] | type[AnyOf] = All if of_all else AnyOf
    flat = [c for child in children for c in (child.children if isinstance(child, tree) else (child,))]
    if tree is AnyOf and ALWAYS in flat:
        return ALWAYS
    by_words = {in_one_line(child): child for child in flat}
    return next(iter(by_words.values())) if len(by_words) == 1 else tree(tuple(by_words[w] for w in sorted(by_words)))


# What is done to the rest --------------------------------------------------------------------------------------------


def _of_strength(rule: Rule) -> Iterator[tuple[_Change, Thing]]:
    ladder, mirror = (FOR, AGAINST[::-1]) if rule.is_for else (AGAINST[::-1], FOR)
    at = ladder.index(rule.then)  # from the strongest
    steps = (("stronger", ladder, at - 1), ("weaker", ladder, at + 1), ("mirrored", mirror, at))
    for how, side, number in steps:
        if 0 <= number < len(side):
            then = side[number]
            yield _Change(f"strength:{how}", f"'{then}' instead of '{rule.then}'"), replace(rule, then=then)


def _of_urgency(flag: RedFlag) -> Iterator[tuple[_Change, Thing]]:
    at = URGENCIES.index(flag.urgency)
    for how, number in (("higher", at + 1), ("lower", at - 1)):
        if 0 <= number < len(URGENCIES):
            urgency = URGENCIES[number]
            yield _Change(f"urgency:{how}", f"'{urgency}' instead of '{flag.urgency}'"), replace(flag, urgency=urgency)


def _of_points(score: Score) -> Iterator[tuple[_Change, Thing]]:
    step = _points_step(score)
    for number, item in enumerate(score.counted):
        said = in_one_line(item.when)
        for how, points in (("more", item.points + step), ("less", item.points - step)):
            words = f"{plain(points)} instead of {plain(item.points)} points for '{said}'"
            changed = _with_item(score, number, (replace(item, points=points),))
            yield _Change(f"item-{number + 1}:{how}", words), changed
        if len(score.counted) > 1:
            yield _Change(f"item-{number + 1}:drop", f"without the item '{said}'"), _with_item(score, number, ())


def _with_item_when(score: Score, number: int, when: Condition) -> Score:
    return _with_item(score, number, (replace(score.counted[number], when=when),))


def _with_item(score: Score, number: int, items: tuple[Item, ...]) -> Score:
    """The score with others instead of its counted item of this number."""
    if number < len(score.items):
        return replace(score, items=(*score.items[:number], *items, *score.items[number + 1 :]))
    number -= len(score.items)
    groups = list(score.one_of)
    for at, group in enumerate(groups):
        if number < len(group):
            groups[at] = (*group[:number], *items, *group[number + 1 :])
            break
        number -= len(group)
    return replace(score, one_of=tuple(group for group in groups if group))
