"""What can happen to some patient and what to none: rules that never fire, rules implied by others, levels out of reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import z3

from ..inference.reference import conclusion_about
from ..inference.weighing import levels_asking_for, levels_meant
from ..knowledge.checks import conditions_of
from ..knowledge.model import URGENCIES, All, Condition, Findings, Knowledge, RedFlag, Rule
from ..knowledge.problems import WARNING, Problem
from ..knowledge.truth import Valuation, names_in
from .asked import Asked, Undecided, findings_of, smallest
from .patients import FALSE, Formula, Known, Patients
from .world import StandingFormulas, World, levels_of, weights

Given = Mapping[str, str]  # a patient, as a case file says it


@dataclass(frozen=True)
class Clash:
    """Two rules of which one establishes a diagnosis and the other excludes it, and a patient for whom both may fire."""

    establishes: Rule
    excludes: Rule
    patient: Given | None  # None where it was not decided whether there is one


class Prover:
    """Questions about all patients of one knowledge base, asked of one solver."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.patients = Patients(knowledge)
        self.world = World(knowledge, self.patients)
        self.asked = Asked(self.patients)

    @cached_property
    def conditions(self) -> Mapping[str, tuple[Condition, ...]]:
        """All that each thing says, by its id."""
        found: dict[str, list[Condition]] = {}
        for id, condition, _ in conditions_of(self.knowledge):
            found.setdefault(id, []).append(condition)
        return {id: tuple(conditions) for id, conditions in found.items()}

    def near(self, findings: Findings, *owners: str) -> tuple[str, ...]:
        """The ids of all that can have come about for these findings, even if these owners said something else: what rests
        on a finding that is known, and what comes about where nothing is known. In a fixed order."""
        return tuple(sorted(self.world.resting_on([*findings, *owners, *self._without_cause])))

    @cached_property
    def _without_cause(self) -> tuple[str, ...]:
        """What comes about where nothing is known: rules and red flags that fire."""
        valuation = Valuation(self.knowledge, {})
        things: list[Rule | RedFlag] = [*self.knowledge.rules.values(), *self.knowledge.red_flags.values()]
        return tuple(thing.id for thing in things if valuation.of(thing.when) is True)

    def valued(self, findings: Findings, ids: Iterable[str]) -> Valuation:
        """The values of all that these red flags, advice and diagnoses rest on."""
        knowledge, names = self.knowledge, dict[str, None]()
        for id in ids:
            entry = knowledge.diagnoses.get(id)
            if entry is not None and entry.is_of_exclusion:  # which rests on everything
                return Valuation(knowledge, findings)
            said = self.conditions.get(id, ()) if entry is None else knowledge.said_of(id)
            names |= dict.fromkeys(name for condition in said for name in names_in(condition))
        return Valuation(knowledge, findings, knowledge.decided_for(names))

    def patient(self, *wanted: Formula) -> Given | None:
        """A patient for whom all of this holds; None when there is none. Raises `Undecided`."""
        return self.asked.patient(*wanted)

    def smallest_with(self, condition: Condition) -> Given | None:
        """A patient for whom the condition is yes, of whom nothing is known that it does not take. Raises `Undecided`."""
        given = self.patient(self.world.of(condition).yes)
        findings = None if given is None else findings_of(given, self.knowledge)
        if given is None or findings is None:
            return given
        decided = self.knowledge.decided_for(names_in(condition))
        kept = smallest(
            findings, self.knowledge, lambda fewer: Valuation(self.knowledge, fewer, decided).of(condition) is True
        )
        return {name: given[name] for name in kept if name in given}


def never_fires(prover: Prover) -> Iterator[Problem]:
    """A concept, rule, red flag, note, advice, need or item of a score that no patient can have."""
    for id, condition, place in conditions_of(prover.knowledge):
        yield from _asked(
            prover,
            [prover.world.of(condition).yes],
            Problem(place, "never-fires", f"no patient can ever meet a condition of '{id}'", _WHY_NEVER, WARNING),
        )


_WHY_NEVER = "its clauses contradict each other, a range or facts/impossible.yaml; correct them, or delete it"


def implied(prover: Prover) -> Iterator[Problem]:
    """A rule that fires only where another of the same diagnosis and strength does: it counts double, or in vain."""
    knowledge = prover.knowledge
    for rules in knowledge.rules_of.values():
        for rule in rules:
            peers = [other for other in rules if other.then == rule.then and other is not rule]
            try:
                given = prover.smallest_with(rule.when) if peers else None
            except Undecided:
                continue  # `never_fires` says so
            findings = None if given is None else findings_of(given, knowledge)
            if findings is None:
                continue
            valuation = Valuation(knowledge, findings)  # what does not fire here is not implied: no need to ask
            for other in peers:
                if valuation.of(other.when) is True:
                    yield from _asked(
                        prover,
                        [prover.world.of(rule.when).yes, z3.Not(prover.world.of(other.when).yes)],
                        Problem(
                            rule.place,
                            "implied-rule",
                            f"'{rule.id}' fires only where '{other.id}' does, which {rule.then} the same diagnosis",
                            "make them one, give them different strengths, or say in the other that this one does not hold",
                            WARNING,
                        ),
                    )


def out_of_reach(prover: Prover) -> Iterator[Problem]:
    """A level that a diagnosis is meant to have, and that no patient can reach."""
    for diagnosis, entry in prover.knowledge.diagnoses.items():
        for level in levels_meant(prover.knowledge, diagnosis):
            if entry.is_of_exclusion and _is_reached(prover, diagnosis, level):
                continue
            yield from _asked(
                prover,
                [prover.world.levels(diagnosis)[level]],
                Problem(
                    entry.place,
                    "level-out-of-reach",
                    f"no patient can bring '{diagnosis}' to the level {level}",
                    "its rules are too weak or too few, its needs cannot be met, or its clusters cap them",
                    WARNING,
                ),
            )


def _is_reached(prover: Prover, diagnosis: str, level: str) -> bool:
    """Whether a patient is easily found who brings a diagnosis of exclusion to the level: first whatever else is found that
    does not speak of what its rules speak of, then less and less so. Nothing is said by False."""
    knowledge = prover.knowledge
    among = prover.world.near((), diagnosis)
    while True:
        try:
            given = prover.patient(prover.world.levels(diagnosis, among)[level])
        except Undecided:
            return False
        findings = None if given is None else findings_of(given, knowledge)
        if findings is None:
            return False
        conclusion = conclusion_about(knowledge, Valuation(knowledge, findings), diagnosis)
        if conclusion.level == level:
            return True
        overlooked = frozenset(conclusion.barred_by) - among
        if not overlooked:
            return False
        among |= overlooked


def urgency_falls(knowledge: Knowledge) -> Iterator[Problem]:
    """A diagnosis whose urgency can fall although no rule against it has fired: learning more would lower the alarm."""
    for diagnosis, entry in knowledge.diagnoses.items():
        for urgency in URGENCIES[1:]:
            if _can_fall(knowledge, diagnosis, urgency):
                yield Problem(
                    entry.place,
                    "urgency-falls",
                    f"the urgency of '{diagnosis}' can fall below {urgency} with no rule against it",
                    "give each higher level at least the urgency of the lower one",
                    WARNING,
                )


def clashes(prover: Prover) -> Iterator[Clash]:
    """Every pair of rules that can establish and exclude a diagnosis at once, and those of which that is not decided."""
    for rules in prover.knowledge.rules_of.values():
        for first in (r for r in rules if r.then == "establishes"):
            for second in (r for r in rules if r.then == "excludes"):
                try:
                    patient = prover.smallest_with(All((first.when, second.when)))
                except Undecided:
                    yield Clash(first, second, None)
                    continue
                if patient is not None:
                    yield Clash(first, second, patient)


def _asked(prover: Prover, wanted: list[Formula], problem: Problem) -> Iterator[Problem]:
    """The problem, where no patient is as wanted; that it could not be decided, where the solver gave up."""
    try:
        if prover.patient(*wanted) is None:
            yield problem
    except Undecided as why:
        said = f"not decided in time ({why}), whether {problem.message}"
        yield Problem(problem.place, "not-decided", said, "simplify the conditions that it rests on", WARNING)


def _can_fall(knowledge: Knowledge, diagnosis: str, urgency: str) -> bool:
    """Whether there are two sets of rules that may have fired, the second with more for the diagnosis and as many against,
    of which the first asks for the urgency and the second does not; whatever the rules' conditions are."""
    rules = knowledge.rules_of[diagnosis]
    asking = levels_asking_for(knowledge.diagnoses[diagnosis], urgency)
    asks: list[Formula] = []
    states = []
    for when in ("before", "after"):
        fired = {r.id: z3.Bool(f"{r.id} {when if r.is_for else 'always'}") for r in rules}
        needs = Known(z3.Bool(f"needs {when}"), FALSE)
        likely_needs = z3.Bool(f"likely needs {when}")
        standing = StandingFormulas(fired, FALSE, needs, likely_needs)
        levels = levels_of(knowledge, rules, weights(knowledge, rules, fired), standing)
        asks.append(z3.Or([levels[level] for level in asking]))
        states.append([*fired.values(), needs.yes, likely_needs])
    solver = z3.Solver()
    solver.add(*(z3.Implies(before, after) for before, after in zip(*states, strict=True)))
    solver.add(asks[0], z3.Not(asks[1]))
    return bool(solver.check() != z3.unsat)
