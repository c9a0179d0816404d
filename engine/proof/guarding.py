"""Guarantees, proved for every patient or refuted with one; and whether each would notice a fault of the knowledge."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import z3

from ..inference.reference import conclusion_about
from ..inference.weighing import as_urgent_as, urgency_at
from ..knowledge.guarantees import FlagPromise, Guarantee, LevelPromise, Promise, UrgencyPromise, WithheldPromise
from ..knowledge.model import AT_LEAST_POSSIBLE, DO_NOT_MISS, LEVELS, URGENCIES, Diagnosis, Findings, Knowledge, leaves
from ..knowledge.problems import WARNING, Problem
from ..knowledge.truth import Valuation, names_in
from .asked import Undecided, findings_of, smallest
from .patients import Formula
from .reach import Given, Prover
from .world import World

PROVED, REFUTED, EMPTY, NOT_DECIDED = "proved", "refuted", "no such patient", "not decided"


class Change(Protocol):
    """A fault that the knowledge might have, in one condition or strength of what bears the id `owner`."""

    @property
    def id(self) -> str: ...

    @property
    def owner(self) -> str: ...

    @property
    def words(self) -> str: ...

    def apply(self, knowledge: Knowledge) -> Knowledge: ...


Changes = Callable[[Knowledge, str], Iterable[Change]]  # those of one owner


@dataclass(frozen=True)
class Verdict:
    """What came out for one guarantee."""

    guarantee: Guarantee
    verdict: str
    counterexample: Given | None = None  # for REFUTED
    broken_by: tuple[Change, ...] = ()  # for PROVED: at most one for each owner that the promise rests on


def judged(prover: Prover, guarantee: Guarantee, changes: Changes) -> Verdict:
    """The guarantee proved, with changes of the knowledge that would break it, or refuted, with a patient."""
    try:
        example = prover.smallest_with(guarantee.whenever)
        if example is None:
            return Verdict(guarantee, EMPTY)
        counterexample = _breaks(prover, prover.world, guarantee)
        if counterexample is not None:
            return Verdict(guarantee, REFUTED, _smaller(prover, guarantee, counterexample))
        return Verdict(guarantee, PROVED, broken_by=tuple(_breaking(prover, guarantee, example, changes)))
    except Undecided:
        return Verdict(guarantee, NOT_DECIDED)


def problems_of(knowledge: Knowledge, verdicts: Iterable[Verdict]) -> Iterator[Problem]:
    """What is wrong with the guarantees, and what none of them guards."""
    guarded: set[str] = set()
    for verdict in verdicts:
        guarantee = verdict.guarantee
        guarded |= {change.owner for change in verdict.broken_by}
        said = {
            REFUTED: ("guarantee-refuted", f"'{guarantee.id}' does not hold for every patient", "see the patient below"),
            EMPTY: ("guarantee-of-nobody", f"no patient can meet the condition of '{guarantee.id}'", "correct 'whenever'"),
            NOT_DECIDED: ("not-decided", f"'{guarantee.id}' could not be decided in time", "make it simpler"),
        }.get(verdict.verdict)
        if said is None and not verdict.broken_by:
            said = (
                "guarantee-unbreakable",
                f"no change of a rule that '{guarantee.id}' rests on would break it",
                "it guards nothing: make 'whenever' narrower, or say more in 'then'",
            )
        if said is not None:
            code, message, help = said
            yield Problem(guarantee.place, code, message, help, "error" if verdict.verdict in (REFUTED, EMPTY) else WARNING)
    yield from _unguarded(knowledge, guarded)


def _unguarded(knowledge: Knowledge, guarded: set[str]) -> Iterator[Problem]:
    """Red flags, advice with a gate, and diagnoses not to be missed, of which no guarantee would notice a fault."""
    kinds = (
        ("red flag", {id: (f.place, {id}) for id, f in knowledge.red_flags.items()}),
        ("advice", {id: (a.place, {id}) for id, a in knowledge.advice.items() if a.unless or any(leaves(a.when))}),
        (
            "diagnosis not to be missed",
            {
                id: (d.place, {r.id for r in knowledge.rules_of[id]})
                for id, d in knowledge.diagnoses.items()
                if d.tier == DO_NOT_MISS
            },
        ),
    )
    for kind, things in kinds:
        for id, (place, owners) in things.items():
            if not owners & guarded:
                said = f"no guarantee would notice a fault of the {kind} '{id}'"
                yield Problem(place, "unguarded", said, "add one to rules/guarantees.yaml", WARNING)


def _breaks(prover: Prover, world: World, guarantee: Guarantee, owner: str = "") -> Given | None:
    """A patient who meets the premise and for whom the promise is not kept in this world, in which the owner may say
    something else; None where there is none."""
    premise, promise = world.of(guarantee.whenever).yes, guarantee.promise
    nearly = _nearly(prover, world, guarantee)
    if nearly is not None:
        given = prover.patient(premise, z3.Not(nearly))
        findings = None if given is None else findings_of(given, prover.knowledge)
        if findings is None or not _is_kept_by(prover, world.knowledge, promise, findings, owner):
            return given
    return prover.patient(premise, z3.Not(formula(world, promise)))


def _nearly(prover: Prover, world: World, guarantee: Guarantee) -> Formula | None:
    """For a promise that rests on the whole knowledge base, when the part of it that speaks of what the premise speaks of
    keeps it: then the whole does, too, and where the part does not, the rest is mostly silent about the patient. None for
    other promises."""
    promise, names = guarantee.promise, names_in(guarantee.whenever)
    if isinstance(promise, UrgencyPromise):
        return world.as_urgent_as(promise.urgency, prover.world.near(names))
    if isinstance(promise, WithheldPromise):
        diagnosis = prover.knowledge.advice[promise.advice].diagnosis
        if prover.knowledge.diagnoses[diagnosis].is_of_exclusion:
            return z3.Not(world.shown(promise.advice, prover.world.near(names, diagnosis)))
    return None


def _is_kept_by(prover: Prover, changed: Knowledge, promise: Promise, findings: Findings, owner: str) -> bool:
    """Whether the promise is kept for one patient by a knowledge base in which the owner says something else."""
    speaking = _speaking(prover, promise, findings, owner)
    if owner in prover.knowledge.depends_on:  # then more than the owner may have another value
        return is_kept(promise, changed, Valuation(changed, findings), speaking)
    return is_kept(promise, changed, prover.valued(findings, speaking), speaking)


def formula(world: World, promise: Promise) -> Formula:
    """When the promise is kept."""
    if isinstance(promise, UrgencyPromise):
        return world.as_urgent_as(promise.urgency)
    if isinstance(promise, WithheldPromise):
        return z3.Not(world.shown(promise.advice))
    if isinstance(promise, FlagPromise):
        return world.flag(promise.flag)
    kept = world.at_least(promise.diagnosis, promise.level)
    return z3.Or(kept, world.levels(promise.diagnosis)["excluded"]) if promise.unless_excluded else kept


def is_kept(promise: Promise, knowledge: Knowledge, valuation: Valuation, among: Iterable[str] | None = None) -> bool:
    """Whether the promise is kept for one patient; the valuation may be of a knowledge base with other rules, but the same
    concepts and scores. `among`, where it is given, holds every red flag and diagnosis that may ask for an urgency."""
    if isinstance(promise, UrgencyPromise):
        wanted = as_urgent_as(promise.urgency)
        ids = (*knowledge.red_flags, *knowledge.diagnoses) if among is None else tuple(among)
        flags = (f for f in map(knowledge.red_flags.get, ids) if f is not None and f.urgency in wanted)
        entries = (d for d in map(knowledge.diagnoses.get, ids) if d is not None)
        asking = (d for d in entries if _may_ask(d, wanted))
        return (
            wanted == URGENCIES
            or any(valuation.of(flag.when) is True for flag in flags)
            or any(urgency_at(entry, _level(knowledge, valuation, entry.id)) in wanted for entry in asking)
        )
    if isinstance(promise, WithheldPromise):
        advice = knowledge.advice[promise.advice]
        given = valuation.of(advice.when) is True and (advice.unless is None or valuation.of(advice.unless) is not True)
        return not given or _level(knowledge, valuation, advice.diagnosis) not in AT_LEAST_POSSIBLE
    if isinstance(promise, FlagPromise):
        return valuation.of(knowledge.red_flags[promise.flag].when) is True
    level = _level(knowledge, valuation, promise.diagnosis)
    allowed = LEVELS[: LEVELS.index(promise.level) + 1]
    return level in allowed or (promise.unless_excluded and level == "excluded")


def _level(knowledge: Knowledge, valuation: Valuation, diagnosis: str) -> str:
    return conclusion_about(knowledge, valuation, diagnosis).level


def _smaller(prover: Prover, guarantee: Guarantee, given: Given) -> Given:
    """The counterexample without what it does not take."""
    knowledge = prover.knowledge

    def still(findings: Findings) -> bool:
        valuation = Valuation(knowledge, findings)
        return valuation.of(guarantee.whenever) is True and not is_kept(guarantee.promise, knowledge, valuation)

    findings = findings_of(given, knowledge)
    if findings is None or not still(findings):
        raise AssertionError(f"the counterexample to '{guarantee.id}' is none: {dict(given)}")  # the formulas would be wrong
    return {name: given[name] for name in smallest(findings, knowledge, still) if name in given}


def _breaking(prover: Prover, guarantee: Guarantee, example: Given, changes: Changes) -> Iterator[Change]:
    """A change of each red flag and advice that the promise rests on, and of one rule; of a concept or score that they rest
    on where there is no other. Each breaks the guarantee."""
    knowledge = prover.knowledge
    findings = findings_of(example, knowledge)
    assert findings is not None
    owners = _owners(prover, guarantee.promise, findings)
    rules = (o for o in owners if o in knowledge.rules)
    found = False
    for owner in (o for o in owners if o not in knowledge.rules):
        for change in _first_breaking(prover, guarantee, findings, changes, owner):
            yield change
            found = True
    rested_on = dict.fromkeys(n for o in owners for c in prover.conditions[o] for n in names_in(c))
    for owner in (*rules, *(n for n in rested_on if n in knowledge.concepts or n in knowledge.scores)):
        if found:
            return
        for change in _first_breaking(prover, guarantee, findings, changes, owner):
            yield change
            found = True


def _first_breaking(
    prover: Prover, guarantee: Guarantee, findings: Findings, changes: Changes, owner: str
) -> Iterator[Change]:
    """The first change of the owner that breaks the guarantee for this patient, or else for any; nothing where none does."""
    knowledge, promise = prover.knowledge, guarantee.promise
    tried = tuple(changes(knowledge, owner))
    for change in tried:
        if not _is_kept_by(prover, change.apply(knowledge), promise, findings, owner):
            yield change
            return
    for change in tried:
        world = prover.world.changed(change.apply(knowledge), owner)
        if _breaks(prover, world, guarantee, owner) is not None:
            yield change
            return


def _speaking(prover: Prover, promise: Promise, findings: Findings, *owners: str) -> tuple[str, ...]:
    """The ids that decide for one patient whether the promise is kept, even if these owners said something else."""
    knowledge = prover.knowledge
    if isinstance(promise, FlagPromise):
        return (promise.flag,)
    if isinstance(promise, WithheldPromise):
        return promise.advice, knowledge.advice[promise.advice].diagnosis
    if isinstance(promise, LevelPromise):
        return (promise.diagnosis,)
    wanted = as_urgent_as(promise.urgency)
    near = prover.near(findings, *owners)
    flags = (id for id in near if id in knowledge.red_flags and knowledge.red_flags[id].urgency in wanted)
    asking = (id for id in near if id in knowledge.diagnoses and _may_ask(knowledge.diagnoses[id], wanted))
    return (*flags, *asking)


def _may_ask(entry: Diagnosis, wanted: Collection[str]) -> bool:
    return any(urgency in wanted for _, urgency in entry.urgency)


def _owners(prover: Prover, promise: Promise, findings: Findings) -> tuple[str, ...]:
    """What the promise rests on for one patient: ids of red flags, advice and rules, each once."""
    knowledge = prover.knowledge
    if isinstance(promise, FlagPromise):
        return (promise.flag,)
    if isinstance(promise, WithheldPromise):
        return (promise.advice,)
    speaking = _speaking(prover, promise, findings)
    valuation = prover.valued(findings, speaking)
    owners = [f for f in speaking if f in knowledge.red_flags and valuation.of(knowledge.red_flags[f].when) is True]
    for diagnosis in (d for d in speaking if d in knowledge.diagnoses):
        conclusion = conclusion_about(knowledge, valuation, diagnosis)
        if isinstance(promise, LevelPromise):
            rules = knowledge.rules_of[diagnosis]
            owners += [*conclusion.fired, *(r.id for r in rules if r.then == "excludes" and r.id not in conclusion.fired)]
        elif urgency_at(knowledge.diagnoses[diagnosis], conclusion.level) in as_urgent_as(promise.urgency):
            owners += conclusion.fired
    return tuple(dict.fromkeys(owners))
