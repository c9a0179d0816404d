"""When asking may end: what could still change of what matters, whatever is answered.

*Safe to stop*: the overall urgency, and which do-not-miss diagnoses are at possible or above, can no longer change.
*Settled*: nor can the leading diagnosis. Both are proved by bounds over all answers to the open questions
(`inference/bounds.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..inference.bounds import BELOW, CLASSES, NO, UNKNOWN, YES, View, Wish, attainable
from ..inference.weighing import Inference, leading_of, urgency_at, urgency_of
from ..knowledge.model import AT_LEAST_POSSIBLE, DO_NOT_MISS, URGENCIES, Condition, Knowledge


@dataclass(frozen=True, eq=False)
class Goal:
    """Something that answers may still bring about: a red flag, or another level of a diagnosis."""

    id: str  # of the red flag or diagnosis
    urgency: str  # how urgent it would be
    holds: Callable[[View], bool]
    wishes: tuple[Wish, ...]  # what it rests on
    is_red_flag: bool = False


def dangers(view: View, inference: Inference) -> Iterator[Goal]:
    """Everything that could still change the urgency or the do-not-miss diagnoses, as far as the bounds of `view` tell."""
    knowledge = view.horizon.knowledge
    fired = [knowledge.red_flags[f].urgency for f in inference.red_flags]
    now = urgency_of(knowledge, inference)
    for flag in knowledge.red_flags.values():
        if flag.id not in inference.red_flags and _rank(flag.urgency) > _rank(now):
            goal = Goal(flag.id, flag.urgency, _fires(flag.when), (Wish(flag.when, YES),), True)
            if goal.holds(view):
                yield goal
    held = [d for d, c in inference.conclusions.items() if c.urgency == now and now != URGENCIES[0]]
    may_fall = list(held) if now not in fired else []
    falls = [goal for d in may_fall for goal in _less_urgent(view, d, now)]
    if {goal.id for goal in falls} == set(may_fall):  # one that stays is enough
        yield from falls
    for diagnosis, conclusion in inference.conclusions.items():
        entry = knowledge.diagnoses[diagnosis]
        here = _class(conclusion.level)
        wanted = {c for c in range(len(CLASSES)) if _rank(urgency_at(entry, CLASSES[c])) > _rank(now)}
        if entry.tier == DO_NOT_MISS:
            wanted |= {BELOW} if here != BELOW else set(range(BELOW))
        yield from _to_class(view, diagnosis, wanted - {here}, here)


def rivals(view: View, inference: Inference) -> Iterator[Goal]:
    """Everything that could still change the leading diagnosis, as far as the bounds of `view` tell."""
    knowledge = view.horizon.knowledge
    leader = leading_of(knowledge, inference)
    if leader:
        yield from _to_class(view, leader, {BELOW}, _class(inference.conclusions[leader].level))
    for diagnosis, conclusion in inference.conclusions.items():
        if not leader:
            yield from _to_class(view, diagnosis, set(range(BELOW)), _class(conclusion.level))
        elif diagnosis != leader:
            goal = Goal(
                diagnosis,
                "",
                _outranks(knowledge, diagnosis, leader),
                (*_wishes(knowledge, diagnosis, True), *_wishes(knowledge, leader, False)),
            )
            if goal.holds(view):
                yield goal


def real_dangers(view: View, inference: Inference) -> tuple[Goal, ...]:
    """Those of `dangers` that answers may bring about when findings are taken case by case. None: it is safe to stop."""
    return tuple(goal for goal in dangers(view, inference) if attainable(view, goal.holds, goal.wishes))


def is_settled(view: View, inference: Inference) -> bool:
    """Whether the leading diagnosis stays as it is, whatever is answered."""
    return not any(attainable(view, goal.holds, goal.wishes) for goal in rivals(view, inference))


def _fires(when: Condition) -> Callable[[View], bool]:
    return lambda view: bool(view.of(when) & YES)


def _less_urgent(view: View, diagnosis: str, now: str) -> Iterator[Goal]:
    entry = view.horizon.knowledge.diagnoses[diagnosis]
    wanted = {c for c in range(len(CLASSES)) if _rank(urgency_at(entry, CLASSES[c])) < _rank(now)}
    yield from _to_class(view, diagnosis, wanted, 0)


def _to_class(view: View, diagnosis: str, wanted: set[int], here: int) -> Iterator[Goal]:
    """Goals for the levels wanted above the present one, and for those below it."""
    knowledge = view.horizon.knowledge
    for up in (True, False):
        levels = frozenset(c for c in wanted if (c < here) == up)
        if levels:
            most = max((urgency_at(knowledge.diagnoses[diagnosis], CLASSES[c]) for c in levels), key=_rank)
            goal = Goal(diagnosis, most, _reaches(diagnosis, levels), _wishes(knowledge, diagnosis, up))
            if goal.holds(view):
                yield goal


def _reaches(diagnosis: str, levels: frozenset[int]) -> Callable[[View], bool]:
    return lambda view: not levels.isdisjoint(view.reach(diagnosis).classes)


def _outranks(knowledge: Knowledge, diagnosis: str, leader: str) -> Callable[[View], bool]:
    first_by_order = knowledge.order.index(diagnosis) < knowledge.order.index(leader)

    def holds(view: View) -> bool:
        other, leading = view.reach(diagnosis), view.reach(leader)
        best, worst = min(other.classes), max(leading.classes)
        if best == BELOW or best != worst:
            return best < worst and best != BELOW
        return other.high > leading.low or (other.high == leading.low and first_by_order)

    return holds


def _wishes(knowledge: Knowledge, diagnosis: str, up: bool) -> tuple[Wish, ...]:
    entry = knowledge.diagnoses[diagnosis]
    yes, not_yes = YES, NO | UNKNOWN
    rules = [Wish(rule.when, yes if rule.is_for == up else not_yes) for rule in knowledge.rules_of[diagnosis]]
    needs = [Wish(c, yes if up else not_yes) for c in entry.gates]
    return (*rules, *needs, *(_bars(knowledge, up) if entry.is_of_exclusion else ()))


def _bars(knowledge: Knowledge, up: bool) -> Iterator[Wish]:
    """What helps that nothing else is found beside a diagnosis of exclusion, or that something is."""
    yield from (Wish(flag.when, NO | UNKNOWN if up else YES) for flag in knowledge.red_flags.values())
    for other in knowledge.before_exclusion:
        yield from _wishes(knowledge, other, not up)


def _class(level: str) -> int:
    return CLASSES.index(level) if level in AT_LEAST_POSSIBLE else BELOW


def _rank(urgency: str) -> int:
    return URGENCIES.index(urgency) if urgency else -1
