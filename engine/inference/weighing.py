"""From fired rules to levels, urgency and rank: I. J. Good's weight of evidence, in bands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass

from ..knowledge.model import AT_LEAST_LIKELY, AT_LEAST_POSSIBLE, LEVELS, URGENCIES, Diagnosis, Knowledge, RedFlag, Rule
from ..knowledge.truth import Truth


@dataclass(frozen=True)
class Bar:
    """Something else that is found, for which a diagnosis of exclusion is not supported."""

    name: str  # one that it needs no of, a red flag, or another diagnosis
    for_good: bool  # whatever else is learnt


@dataclass(frozen=True)
class Standing:
    """What is decided about one diagnosis: rules that fired, rules still open, its needs, and what else is found."""

    fired: frozenset[str]
    open: frozenset[str]
    needs: Truth = True
    likely_needs: Truth = True
    bars: tuple[Bar, ...] = ()

    @property
    def may_be_supported(self) -> Truth:
        """Its needs, which are not met while something else is found."""
        return False if self.bars else self.needs

    @property
    def hoped_for(self) -> Standing:
        """What may become of it at best: every need is met, and all that may go again is gone."""
        bars = tuple(bar for bar in self.bars if bar.for_good)
        return Standing(self.fired, frozenset(), self.needs is not False, self.likely_needs is not False, bars)


@dataclass(frozen=True)
class Conclusion:
    """A level for one diagnosis, and how it came about."""

    diagnosis: str
    level: str
    could_reach: str
    points: int
    urgency: str
    fired: tuple[str, ...]  # strongest first, for before against
    counted: frozenset[str]  # those of `fired` that are not outdone within their cluster
    stays_likely: bool = False  # likely or above, whatever else is learnt
    barred_by: tuple[str, ...] = ()  # what else is found, for which a diagnosis of exclusion is not supported

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts best supported first: by level, then points."""
        return (LEVELS.index(self.level), -self.points)


@dataclass(frozen=True)
class Inference:
    """What follows from one patient's findings, whoever worked it out."""

    conclusions: Mapping[str, Conclusion]
    red_flags: tuple[str, ...]  # ids, sorted
    said: frozenset[str]  # ids of notes, scope notices and advice whose condition is yes
    firings: tuple[str, ...] = ()  # authors' ids in the order in which they fired; () where nothing fires in turn


def weigh(knowledge: Knowledge, diagnosis: Diagnosis, standing: Standing) -> Conclusion:
    """The conclusion about `diagnosis`. Pure; the order of the rules is of no account."""
    rules = knowledge.rules_of[diagnosis.id]
    fired = [r for r in rules if r.id in standing.fired]
    open_for = [r for r in rules if r.id in standing.open and r.is_for]
    counted = counting(knowledge, fired)
    points = sum(knowledge.weighing.points(r.then) for r in fired if r.id in counted)
    level = _level(knowledge, fired, points, standing, bool(open_for))
    hopeful = [*fired, *open_for]
    hoped = counting(knowledge, hopeful)
    best = _level(
        knowledge,
        hopeful,
        sum(knowledge.weighing.points(r.then) for r in hopeful if r.id in hoped),
        standing.hoped_for,
        False,
    )
    may_fall = level == "likely" and any(r.id in standing.open for r in rules if not r.is_for)
    return Conclusion(
        diagnosis=diagnosis.id,
        level=level,
        could_reach=best,
        points=points,
        urgency=urgency_at(diagnosis, level),
        fired=tuple(r.id for r in sorted(fired, key=lambda r: _strength_order(r, counted))),
        counted=counted,
        stays_likely=level in AT_LEAST_LIKELY and not may_fall,
        barred_by=tuple(bar.name for bar in standing.bars),
    )


def bars_to(
    entry: Diagnosis,
    is_present: Callable[[str], bool],
    red_flags: Iterable[str],
    others: Collection[Conclusion],
) -> tuple[Bar, ...]:
    """What else is found, for which a diagnosis of exclusion is not supported: what it needs no of is known yes, a red flag
    fired, or one of the others is likely; () for any other diagnosis. `others` are the conclusions about all diagnoses that
    are not of exclusion themselves.

    A red flag of any urgency counts: each says that there is something else to be looked into first."""
    if not entry.is_of_exclusion:
        return ()
    found = [Bar(leaf.name, True) for leaf in entry.needs_no if is_present(leaf.name)]
    found += [Bar(flag, True) for flag in sorted(red_flags)]
    likely = sorted((c.diagnosis, c.stays_likely) for c in others if c.level in AT_LEAST_LIKELY)
    return (*found, *(Bar(diagnosis, stays) for diagnosis, stays in likely))


def counting(knowledge: Knowledge, fired: Iterable[Rule]) -> frozenset[str]:
    """The rules that count: of a cluster, the strongest for and the strongest against, ties to the first id."""
    best: dict[tuple[str, bool], Rule] = {}
    counted: set[str] = set()
    for rule in sorted(fired, key=lambda r: r.id):
        if not rule.cluster or rule.then in ("establishes", "excludes"):
            counted.add(rule.id)
            continue
        key = (rule.cluster, rule.is_for)
        if key not in best or abs(knowledge.weighing.points(rule.then)) > abs(knowledge.weighing.points(best[key].then)):
            best[key] = rule
    return frozenset(counted | {r.id for r in best.values()})


def _level(knowledge: Knowledge, fired: Iterable[Rule], points: int, standing: Standing, open_for: bool) -> str:
    weighing = knowledge.weighing
    strengths = {r.then for r in fired}
    needs = standing.may_be_supported
    has_needs = needs is True
    established = "establishes" in strengths and has_needs
    if "excludes" in strengths:
        return "contradictory" if established else "excluded"
    if established:
        return "established"
    if has_needs and points >= weighing.possible:
        return "likely" if points >= weighing.likely and standing.likely_needs is True else "possible"
    if points <= weighing.unlikely:
        return "unlikely"
    waits_for_needs = needs is None and any(r.is_for for r in fired)
    if needs is False or not (open_for or waits_for_needs):
        return "not supported"
    return "undecided" if strengths else "not assessed"


def urgency_at(diagnosis: Diagnosis, level: str) -> str:
    """What the diagnosis asks for at this level: that of the nearest lower level given; '' for none."""
    if level not in AT_LEAST_POSSIBLE:
        return ""
    reached = {"contradictory": 2, "established": 3, "likely": 2, "possible": 1}[level]
    given = dict(diagnosis.urgency)
    steps = [given[name] for name in ("possible", "likely", "established")[:reached] if name in given]
    return steps[-1] if steps else URGENCIES[0]


def as_urgent_as(urgency: str) -> tuple[str, ...]:
    """This urgency and every higher one."""
    return URGENCIES[URGENCIES.index(urgency) :]


def levels_asking_for(diagnosis: Diagnosis, urgency: str) -> tuple[str, ...]:
    """The levels at which the diagnosis asks for this urgency or a higher one."""
    return tuple(level for level in AT_LEAST_POSSIBLE if urgency_at(diagnosis, level) in as_urgent_as(urgency))


def _strength_order(rule: Rule, counted: Set[str]) -> tuple[int, bool, str]:
    order = ("establishes", "excludes", "strongly supports", "supports", "weakly supports")
    against = ("strongly opposes", "opposes", "weakly opposes")
    return ((*order, *against).index(rule.then), rule.id not in counted, rule.id)


def highest(urgencies: Iterable[str]) -> str:
    """The most urgent of them; routine when there is none."""
    return max((u for u in urgencies if u), key=URGENCIES.index, default=URGENCIES[0])


def urgency_of(knowledge: Knowledge, inference: Inference) -> str:
    """The overall urgency: the highest of the red flags that fired and of what each diagnosis asks for."""
    flags = [knowledge.red_flags[flag].urgency for flag in inference.red_flags]
    return highest([*flags, *(c.urgency for c in inference.conclusions.values())])


def flags_in_order(knowledge: Knowledge, flags: Iterable[str]) -> tuple[RedFlag, ...]:
    """These red flags, the most urgent first."""
    return tuple(sorted((knowledge.red_flags[f] for f in flags), key=lambda f: (-URGENCIES.index(f.urgency), f.id)))


def leading_of(knowledge: Knowledge, inference: Inference) -> str:
    """The first diagnosis in rank order, where it is at possible or above; '' for none."""
    first = ranked(knowledge, inference.conclusions)[0]
    return first.diagnosis if first.level in AT_LEAST_POSSIBLE else ""


def ranked(knowledge: Knowledge, conclusions: Mapping[str, Conclusion]) -> tuple[Conclusion, ...]:
    """All conclusions: by level, then points, then the document's order."""
    place = {d: i for i, d in enumerate(knowledge.order)}
    return tuple(sorted(conclusions.values(), key=lambda c: (*c.rank, place[c.diagnosis])))


def advice_shown(knowledge: Knowledge, inference: Inference) -> frozenset[str]:
    """The advice that the patient is given: its diagnosis is at possible or above, and nothing withholds it."""
    return frozenset(
        advice.id
        for advice in knowledge.advice.values()
        if inference.conclusions[advice.diagnosis].level in AT_LEAST_POSSIBLE
        and advice.id in inference.said
        and advice.unless_id not in inference.said
    )


def levels_meant(knowledge: Knowledge, diagnosis: str) -> tuple[str, ...]:
    """The levels that a diagnosis is meant to have: only what a rule establishes can be established, and so on. That rules
    contradict each other is meant of none."""
    does = {rule.then for rule in knowledge.rules_of[diagnosis]}
    levels = ["likely", "possible", "undecided", "not assessed", "not supported"]
    levels += ["established"] if "establishes" in does else []
    levels += ["excluded"] if "excludes" in does else []
    levels += ["unlikely"] if any(not rule.is_for for rule in knowledge.rules_of[diagnosis]) else []
    return tuple(levels)


def is_listed(knowledge: Knowledge, conclusion: Conclusion) -> bool:
    """A diagnosis of the document always has its line; one from beyond only once something for it has fired."""
    diagnosis = knowledge.diagnoses[conclusion.diagnosis]
    if diagnosis.origin == "document":
        return True
    return any(knowledge.rules[r].is_for for r in conclusion.fired)


__all__ = [
    "Bar",
    "Conclusion",
    "Inference",
    "Standing",
    "advice_shown",
    "as_urgent_as",
    "bars_to",
    "counting",
    "flags_in_order",
    "highest",
    "is_listed",
    "leading_of",
    "levels_asking_for",
    "levels_meant",
    "ranked",
    "urgency_at",
    "urgency_of",
    "weigh",
]
