"""Guarantees, proved for every patient or refuted with one; and whether each would notice a fault of the knowledge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import z3

from ..inference.reference import conclusion_about, infer
from ..inference.weighing import Inference, as_urgent_as, urgency_at
from ..knowledge.checks import conditions_of
from ..knowledge.guarantees import FlagPromise, Guarantee, Promise, UrgencyPromise, WithheldPromise
from ..knowledge.model import AT_LEAST_POSSIBLE, DO_NOT_MISS, LEVELS, URGENCIES, Condition, Findings, Knowledge, leaves
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
    premise = prover.world.of(guarantee.whenever).yes
    try:
        example = prover.smallest_with(guarantee.whenever)
        if example is None:
            return Verdict(guarantee, EMPTY)
        counterexample = prover.patient(premise, z3.Not(formula(prover.world, guarantee.promise)))
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


def is_kept(promise: Promise, knowledge: Knowledge, valuation: Valuation) -> bool:
    """Whether the promise is kept for one patient; the valuation may be of a knowledge base with other rules, but the same
    concepts and scores."""
    if isinstance(promise, UrgencyPromise):
        wanted = as_urgent_as(promise.urgency)
        flags = (f for f in knowledge.red_flags.values() if f.urgency in wanted)
        asking = (d for d in knowledge.diagnoses.values() if set(wanted) & {urgency for _, urgency in d.urgency})
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
    owners = _owners(knowledge, guarantee.promise, infer(knowledge, findings))
    rules = (o for o in owners if o in knowledge.rules)
    found = False
    for owner in (o for o in owners if o not in knowledge.rules):
        for change in _first_breaking(prover, guarantee, findings, changes, owner):
            yield change
            found = True
    conditions: dict[str, list[Condition]] = {}
    for id, condition, _ in conditions_of(knowledge):
        conditions.setdefault(id, []).append(condition)
    rested_on = dict.fromkeys(n for o in owners for c in conditions[o] for n in names_in(c))
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
    knowledge = prover.knowledge
    tried = tuple(changes(knowledge, owner))
    anew = owner in knowledge.depends_on  # then more than the owner may have another value
    same = Valuation(knowledge, findings)
    for change in tried:
        changed = change.apply(knowledge)
        if not is_kept(guarantee.promise, changed, Valuation(changed, findings) if anew else same):
            yield change
            return
    for change in tried:
        world = prover.world.changed(change.apply(knowledge), owner)
        if prover.patient(world.of(guarantee.whenever).yes, z3.Not(formula(world, guarantee.promise))) is not None:
            yield change
            return


def _owners(knowledge: Knowledge, promise: Promise, inference: Inference) -> tuple[str, ...]:
    """What the promise rests on for one patient: ids of red flags, advice and rules, each once."""
    if isinstance(promise, FlagPromise):
        owners = [promise.flag]
    elif isinstance(promise, WithheldPromise):
        owners = [promise.advice]
    elif isinstance(promise, UrgencyPromise):
        wanted = as_urgent_as(promise.urgency)
        owners = [f for f in inference.red_flags if knowledge.red_flags[f].urgency in wanted]
        for conclusion in inference.conclusions.values():
            if urgency_at(knowledge.diagnoses[conclusion.diagnosis], conclusion.level) in wanted:
                owners += conclusion.fired
    else:
        rules = knowledge.rules_of[promise.diagnosis]
        fired = inference.conclusions[promise.diagnosis].fired
        owners = [*fired, *(r.id for r in rules if r.then == "excludes" and r.id not in fired)]
    return tuple(dict.fromkeys(owners))
