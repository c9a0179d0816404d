"""The formulas that proofs rest on are held equal to the meaning: patient by patient, and by enumeration of all patients."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import combinations, product
from typing import Any

import pytest
import yaml
import z3
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from crampdx.engine.authoring.mutation import mutants_of
from crampdx.engine.inference.outcome import outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.inference.weighing import leading_of, urgency_of
from crampdx.engine.knowledge.cases import read_answer, read_findings, with_derived
from crampdx.engine.knowledge.checks import conditions_of
from crampdx.engine.knowledge.guarantees import Guarantee, LevelPromise, UrgencyPromise
from crampdx.engine.knowledge.model import (
    AT_LEAST_POSSIBLE,
    CHOICE,
    LEVELS,
    NOWHERE,
    QUANTITY,
    URGENCIES,
    YES_NO,
    All,
    Answer,
    Compare,
    Condition,
    Finding,
    Findings,
    Is,
    Knowledge,
    Leaf,
    Not,
    leaves,
)
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.knowledge.quantities import plain
from crampdx.engine.knowledge.truth import Truth, Valuation, leaf_truth
from crampdx.engine.knowledge.yamltext import Scalar
from crampdx.engine.proof.asked import Asked, fewest, findings_of, smallest
from crampdx.engine.proof.guarding import EMPTY, PROVED, REFUTED, formula, judged
from crampdx.engine.proof.patients import Amount, Formula, Patients
from crampdx.engine.proof.reach import Prover
from crampdx.engine.proof.world import World

from at_hand import all_cases, built_in
from small_worlds import OPERATORS, THEN, Chooser, dumped, knowledge_texts, patients, small_knowledge

EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "300"))
SEED = int(os.environ.get("CRAMPDX_SEED", "20261122"))
MOST_PATIENTS = 20_000  # that are enumerated of one knowledge base
SCORE_LIMITS = tuple(map(Decimal, ("0", "0.5", "2")))


def examples(one_in: int) -> Callable[[Any], Any]:
    """The settings of a test that takes one in so many of the examples."""
    most = max(1, EXAMPLES // one_in)
    # Shrinking takes minutes where every attempt asks the solver.
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(max_examples=most, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=phases)


# What is said of a patient, by the formulas and by the meaning ----------------------------------------------------------


class Said:
    """Everything that can be said of a patient, and when the formulas say so."""

    def __init__(self, world: World) -> None:
        self.when = dict(_claims(world))
        # One number with a bit for each: far faster worked out at once than formula by formula.
        self._bits = z3.Sum([z3.If(f, z3.IntVal(1 << bit), z3.IntVal(0)) for bit, f in enumerate(self.when.values())])

    def so(self, model: z3.ModelRef) -> frozenset[str]:
        """What the formulas say of the patient in a model."""
        bits = model.eval(self._bits, model_completion=True)
        assert isinstance(bits, z3.IntNumRef)
        number = bits.as_long()
        return frozenset(name for bit, name in enumerate(self.when) if number >> bit & 1)


def _claims(world: World) -> Iterator[tuple[str, Formula]]:
    knowledge = world.knowledge
    for name, condition in conditions(knowledge):
        known = world.of(condition)
        yield from ((f"{name}: yes", known.yes), (f"{name}: no", known.no))
    for rule in knowledge.rules:
        yield from ((f"rule {rule}: yes", world.rule(rule).yes), (f"rule {rule}: no", world.rule(rule).no))
    yield from ((f"flag {flag}", world.flag(flag)) for flag in knowledge.red_flags)
    yield from ((f"advised {advice}", world.advised(advice)) for advice in knowledge.advice)
    yield from ((f"as urgent as {urgency}", world.as_urgent_as(urgency)) for urgency in URGENCIES)
    for diagnosis in knowledge.diagnoses:
        yield from ((f"{diagnosis} {level}", formula) for level, formula in world.levels(diagnosis).items())
        yield from ((f"{diagnosis} at least {level}", world.at_least(diagnosis, level)) for level in LEVELS)
        yield from ((f"{diagnosis} asks for {urgency}", world.asks_for(diagnosis, urgency)) for urgency in URGENCIES)
        yield f"leads {diagnosis}", world.leads(diagnosis)
    yield from ((f"shown {advice}", world.shown(advice)) for advice in knowledge.advice)


def meant(knowledge: Knowledge, findings: Findings) -> frozenset[str]:
    """What is so of the patient among all that can be said."""
    valuation, inference = Valuation(knowledge, findings), infer(knowledge, findings)
    truths: dict[str, Truth] = {name: valuation.of(condition) for name, condition in conditions(knowledge)}
    truths |= {f"rule {rule.id}": valuation.of(rule.when) for rule in knowledge.rules.values()}
    so = {f"{name}: {'yes' if truth else 'no'}" for name, truth in truths.items() if truth is not None}
    so |= {f"flag {flag}" for flag in inference.red_flags}
    advised = [a for a in knowledge.advice.values() if a.id in inference.said and a.unless_id not in inference.said]
    so |= {f"advised {a.id}" for a in advised}
    so |= {f"shown {a.id}" for a in advised if inference.conclusions[a.diagnosis].level in AT_LEAST_POSSIBLE}
    so |= {f"as urgent as {u}" for u in up_to(urgency_of(knowledge, inference))}
    for diagnosis, conclusion in inference.conclusions.items():
        so.add(f"{diagnosis} {conclusion.level}")
        so |= {f"{diagnosis} at least {level}" for level in LEVELS[LEVELS.index(conclusion.level) :]}
        so |= {f"{diagnosis} asks for {u}" for u in up_to(conclusion.urgency) if conclusion.urgency}
    leading = leading_of(knowledge, inference)
    return frozenset(so | {f"leads {leading}"} if leading else so)


def conditions(knowledge: Knowledge) -> Iterator[tuple[str, Condition]]:
    """Every condition of the knowledge base, and every score compared in every way."""
    for number, (owner, condition, _) in enumerate(conditions_of(knowledge)):
        yield f"{owner} [{number}]", condition
    for finding in knowledge.findings.values():
        if finding.ask_when is not None:
            yield f"gate of {finding.name}", finding.ask_when
    for score in knowledge.scores:
        for operator, limit in product(OPERATORS, SCORE_LIMITS):
            yield f"{score} {operator} {limit}", Compare(score, operator, limit)


def up_to(urgency: str) -> tuple[str, ...]:
    return URGENCIES[: URGENCIES.index(urgency or URGENCIES[0]) + 1]


def exactly(patients: Patients, findings: Findings) -> list[Formula]:
    """That all variables are as the findings say; what means nothing (the value of an unknown quantity) is left free."""
    everything = patients.knowledge.findings.values()
    return [formula for f in everything for formula in answered(patients, f, findings.get(f.name, Answer()))]


def answered(patients: Patients, finding: Finding, answer: Answer) -> list[Formula]:
    """That the answer to the finding is this one; an empty answer is unknown."""
    if finding.kind == YES_NO:
        known = patients.truth(finding.name)
        return [known.yes == (answer.truth is True), known.no == (answer.truth is False)]
    if finding.kind == CHOICE:
        return [formula == (answer.choice == choice) for choice, formula in patients.choice(finding.name).items()]
    return measured(patients.amount(finding.name), answer)


def measured(amount: Amount, answer: Answer) -> list[Formula]:
    """That the amount is as the answer says."""
    said = [amount.known == (answer.quantity is not None)]
    if answer.quantity is None:
        return said
    low, high = answer.quantity.low, answer.quantity.high
    value = low if low is not None else high
    assert value is not None
    said += [amount.from_here == (high is None), amount.to_here == (low is None), amount.value == steps(value, amount)]
    if low is None or high is None:
        said.append(amount.is_open == (answer.quantity.low_open or answer.quantity.high_open))
    if answer.reference is not None:
        said += [amount.low == steps(answer.reference[0], amount), amount.high == steps(answer.reference[1], amount)]
    return said


def steps(value: Decimal, amount: Amount) -> int:
    in_steps = value * 10**amount.scale.decimals
    assert in_steps == int(in_steps)
    return int(in_steps)


def meaningless(patients: Patients, findings: Findings, high: bool) -> list[Formula]:
    """That the variables which mean nothing for this patient are at one extreme; nothing may depend on them."""
    said: list[Formula] = []
    for finding in patients.knowledge.findings.values():
        if finding.kind == QUANTITY and finding.scale is not None:
            amount, answer = patients.amount(finding.name), findings.get(finding.name)
            if answer is None or answer.quantity is None:
                said.append(amount.value == steps(finding.scale.plausible[high], amount))
                said += [amount.from_here == high, amount.is_open == high]
            elif answer.quantity.exact is not None:
                said.append(amount.is_open == high)
    return said


def holds(model: z3.ModelRef, formula: Formula) -> bool:
    value = model.eval(formula, model_completion=True)
    assert z3.is_true(value) or z3.is_false(value)
    return z3.is_true(value)


def read(given: Mapping[str, str], knowledge: Knowledge) -> tuple[dict[str, Answer], Findings | None]:
    """Each answer as it was given, and all that is known of the patient; None where a reader refuses them together."""
    problems, alone = Problems(), Problems()
    findings, _ = read_findings({n: Scalar(w, NOWHERE) for n, w in given.items()}, knowledge, problems, NOWHERE)
    answers = {n: read_answer(knowledge.findings[n], words, NOWHERE, alone, []) for n, words in given.items()}
    assert not alone.errors
    return {n: a for n, a in answers.items() if a is not None}, None if problems.errors else findings


def as_given(patients: Patients, answers: Mapping[str, Answer]) -> list[Formula]:
    """What the answers say before anything is derived: where a quantity follows from others, the end of a range that was
    given for it gives way to the value."""
    said: list[Formula] = []
    for name, answer in answers.items():
        finding = patients.knowledge.findings[name]
        as_it_is = answered(patients, finding, answer)
        interval, scale = answer.quantity, finding.scale
        if interval is not None and interval.exact is None and scale is not None and scale.derived is not None:
            amount = patients.amount(name)
            within = [amount.exact, *as_it_is[len(as_it_is) - 2 * (answer.reference is not None) :]]
            if interval.low is not None:
                low = steps(interval.low, amount)
                within.append(amount.value > low if interval.low_open else amount.value >= low)
            if interval.high is not None:
                high = steps(interval.high, amount)
                within.append(amount.value < high if interval.high_open else amount.value <= high)
            said.append(z3.Or(z3.And(as_it_is), z3.And(within)))
        else:
            said += as_it_is
    return said


# Patient by patient ----------------------------------------------------------------------------------------------------


@st.composite
def varied_knowledge(draw: st.DrawFn) -> dict[str, str]:
    """A small knowledge base with another way of deriving, other precision, and perhaps what cannot be."""
    texts, choose = draw(knowledge_texts()), Chooser(draw)
    findings = yaml.safe_load(texts["facts/all.yaml"])
    ways: tuple[dict[str, Any], ...] = (
        *({how: ["level", "width"]} for how in ("difference", "absolute_difference", "smaller_of", "larger_of", "ratio")),
        {"linear": {"level": "1", "width": "-0.5", "constant": "3"}},
        {"linear": {"level": "-0.25", "width": "0.3"}},
    )
    findings["sum_of_both"]["derived"] = choose.one_of(ways)
    findings["sum_of_both"] |= {
        "decimals": choose.one_of(("0", "1", "2")),
        "reference": "1 to 4",
        "reference_source": "expert",
    }
    findings["level"]["decimals"] = choose.one_of(("0", "1", "2"))
    texts["facts/all.yaml"] = dumped(findings)
    names = {**dict.fromkeys(("ache", "bruise", "gated"), "yes-no"), "level": "quantity", "sum_of_both": "quantity"}
    if choose.chance(2):
        clauses = choose.distinct_leaves(names, 2, 2)
        texts["facts/impossible.yaml"] = dumped({"never": {"title": "It cannot be", "when": {"all": clauses}}})
    return texts


@st.composite
def told(draw: st.DrawFn) -> dict[str, str]:
    """What is given of a patient, at times with a derived quantity, which may contradict what it follows from."""
    given_findings, choose = draw(patients()), Chooser(draw)
    if choose.chance(2):
        if choose.chance(2):
            given_findings |= {"level": choose.one_of(("2 u", "4 u")), "width": choose.one_of(("3 u", "8 u"))}
        given_findings["sum_of_both"] = choose.one_of(("", "", "> ", "< ", ">= ", "<= ")) + choose.one_of(
            ("-1 u", "0 u", "1 u", "3 u", "3 u (2 to 3)", "5 u")
        )
    return given_findings


def test_the_formulas_say_of_a_patient_what_the_meaning_says() -> None:
    """All that follows from a random patient is the same, whatever stands where nothing is known; and the formulas describe
    exactly the patients that a reader of cases takes."""
    taken = {True: 0, False: 0}

    @seed(SEED)
    @examples(2)
    @given(varied_knowledge(), st.lists(told(), min_size=1, max_size=3), st.booleans())
    def hold(texts: dict[str, str], each: list[dict[str, str]], high: bool) -> None:
        knowledge = small_knowledge(texts)
        world = World(knowledge, Patients(knowledge))
        asked, said = Asked(world.patients), Said(world)
        for given_findings in each:
            answers, findings = read(given_findings, knowledge)
            found = asked.model(*as_given(world.patients, answers))
            assert (found is None) == (findings is None)
            taken[findings is not None] += 1
            if findings is None:
                continue
            model = asked.model(*exactly(world.patients, findings), *meaningless(world.patients, findings, high))
            assert model is not None
            assert said.so(model) ^ meant(knowledge, findings) == set()

    hold()
    # What is drawn varies with the modules at hand, whose numbers hypothesis tries; so the second is far below the usual.
    assert taken[True] > EXAMPLES / 4 and taken[False] > EXAMPLES / 100


@cache
def built_in_world() -> tuple[World, Said, Asked]:
    world = World(built_in(), Patients(built_in()))
    return world, Said(world), Asked(world.patients)


@pytest.mark.parametrize("part", range(3))
def test_the_formulas_say_of_the_regression_cases_what_the_meaning_says(part: int) -> None:
    world, said, asked = built_in_world()
    every = int(os.environ.get("CRAMPDX_EVERY_CASE", "16"))
    for number, case in enumerate(all_cases()[part::3][::every]):
        model = asked.model(
            *exactly(world.patients, case.findings), *meaningless(world.patients, case.findings, bool(number % 2))
        )
        assert model is not None, case.name
        assert said.so(model) ^ meant(world.knowledge, case.findings) == set(), case.name
        concluded = outcome(world.knowledge, case.findings, infer(world.knowledge, case.findings))
        given_advice = {advice.id for advice, is_given in concluded.advice if is_given}
        assert {a for a in world.knowledge.advice if holds(model, world.shown(a))} == given_advice


# All patients of a small vocabulary ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """A quantity of which every value can be tried: whole steps between two ends."""

    low: int
    high: int
    decimals: int
    with_reference: bool

    def number(self, step: int) -> str:
        return plain(Decimal(step).scaleb(-self.decimals))


class TinyChooser(Chooser):
    """Chooses leaves with limits that lie within the few values of each quantity."""

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__(draw)
        self.grids: dict[str, Grid] = {}

    def leaf(self, names: dict[str, str]) -> str:
        name = self.one_of(list(names))
        if names[name] == "quantity":
            grid = self.grids[name]
            if grid.with_reference and self.chance(2):
                times = f"{self.one_of(OPERATORS)} {self.one_of(('2', '0.5', '-1.5'))} times upper limit"
                return f"{name} {self.one_of(('below range', 'above range', times))}"
            return f"{name} {self.one_of(OPERATORS)} {grid.number(grid.low + self.below(grid.high - grid.low + 1))} u"
        if names[name] == "choice":
            return f"{name} is {self.one_of(('pale', 'red', 'one of pale, red'))}"
        if names[name] == "score":
            return f"{name} {self.one_of(OPERATORS)} {self.one_of(('-1', '0.5', '1', '2'))} points"
        return str(name)


WAYS: tuple[dict[str, Any], ...] = (
    {"linear": {"first": "0.5", "second": "-0.25", "constant": "0.1"}},
    {"linear": {"first": "-1.5"}},
    *({how: ["first", "second"]} for how in ("difference", "absolute_difference", "smaller_of", "larger_of", "ratio")),
)


TIERS_OF_TWO = (("most_likely", ["alpha"]), ("other_likely", []), ("do_not_miss", ["beta"]), ("rare", []))
FRAME = {
    "rules/weighing.yaml": "points:\n  weak: 1\n  moderate: 2\n  strong: 5\nlevels:\n  possible: 2\n  likely: 5\n  unlikely: -2\n",
    "rules/document.yaml": dumped({tier: {"heading": tier, "diagnoses": listed} for tier, listed in TIERS_OF_TWO}),
}


@st.composite
def tiny_worlds(draw: st.DrawFn) -> dict[str, str]:
    """The files of a knowledge base about one or two yes-no findings, perhaps a choice, and one to three quantities, one of
    them derived."""
    choose = TinyChooser(draw)
    names, facts = {"ache": "yes-no"}, {"ache": thing(kind="yes-no")}
    quantities = choose.one_of((("first",), ("first", "third"), ("first", "second", "third"), ("first", "second", "third")))
    if len(quantities) < 3 and choose.chance(2):  # enough is enough: all patients are to be tried
        names["colour"], facts["colour"] = "choice", thing(kind="choice", choices={"pale": "Pale", "red": "Red"})
    with_references = [name for name in ("first", "third") if choose.chance(2) and len(quantities) < 3]
    way = choose.one_of(WAYS if "second" in quantities else WAYS[1:2])
    for name in quantities:
        wide, decimals = (4, choose.below(3)) if name == "third" else (1 + (name == "first"), choose.below(2))
        low = -wide if choose.chance(2) else -1
        grid = choose.grids[name] = Grid(low, wide, decimals, name in with_references)
        facts[name] = thing(kind="quantity", unit="u", decimals=str(decimals))
        facts[name]["plausible"] = f"{grid.number(low)} to {grid.number(wide)}"
        if grid.with_reference:
            facts[name] |= {"reference": f"{grid.number(0)} to {grid.number(1)}", "reference_source": "expert"}
        if name == "third":
            facts[name]["derived"] = way
        names[name] = "quantity"
    if choose.chance(3):
        facts["gated"] = thing(kind="yes-no", ask_when=choose.condition(names, 1), when_closed="no")
        names["gated"] = "yes-no"
    texts = {
        "facts/all.yaml": dumped(facts),
        **FRAME,
    }
    if choose.chance(2):
        answers = {name: kind for name, kind in names.items() if name != "ache" or len(names) == 1}
        clauses = choose.distinct_leaves(answers, 2, 2)
        texts["facts/impossible.yaml"] = dumped({"never": {"title": "It cannot be", "when": {"all": clauses}}})
    scores: dict[str, Any] = {}
    if choose.chance(2):
        texts["rules/concepts.yaml"] = dumped({"idea": entry(when=choose.condition(names))})
        names["idea"] = "concept"
    if choose.chance(2):
        group = {leaf: choose.one_of(("2", "-1", "0.5")) for leaf in choose.distinct_leaves(names, 2, 3)}
        points = {leaf: choose.one_of(("1", "-2", "0.5")) for leaf in choose.distinct_leaves(names, 1, 2)}
        scores["tally"] = entry(points=points, one_of=[group])
        names["tally"] = "score"
    flag = entry(when=choose.condition(names), urgency=choose.one_of(URGENCIES[1:]), action="Act")
    texts["rules/red_flags.yaml"] = dumped({"flag-0": flag})
    for tier, diagnosis in (("most_likely", "alpha"), ("do_not_miss", "beta")):
        told_of: dict[str, Any] = {"title": diagnosis.title(), "summary": "A diagnosis"}
        if choose.chance(2):
            told_of["urgency"] = {"possible": "soon", "likely": choose.one_of(("same day", "emergency"))}
        for key in ("needs", "likely_needs"):
            if choose.chance(3):
                told_of[key] = choose.condition(names, 1)
        if scores and diagnosis == "alpha":
            told_of["scores"] = scores
        told_of["rules"] = {}
        for number in range(1 + choose.below(4)):
            then = choose.one_of(THEN)
            rule = entry(when=choose.condition(names), then=then)
            if then == "excludes":
                rule["scope"] = "everyone"
            elif then != "establishes" and choose.chance(2):
                rule["cluster"] = "one"
            told_of["rules"][f"{diagnosis}-{number}"] = rule
        advice = {"text": "Do", "withheld": "not known", "source": "expert"}
        advice |= {"when": choose.condition(names, 1), "unless": choose.condition(names, 1)}
        told_of["advice"] = {f"{diagnosis}-advice": advice}
        texts[f"rules/{tier}/{diagnosis}.yaml"] = dumped(told_of)
    return texts


def thing(**more: Any) -> dict[str, Any]:
    return {"title": "A thing", "ask": "What is it?", "known_by": "patient", **more}


def entry(**more: Any) -> dict[str, Any]:
    return {"title": "A title", "source": "expert", **more}


def answers_of_all(knowledge: Knowledge) -> dict[str, list[Answer | None]]:
    """Answers to each finding that matters, so many that any other does what one of them does: one for each way in which its
    comparisons come out; and every value of a quantity from which another is derived, or which may be stated with a reference
    interval of its own beside what it is derived from."""
    told = [leaf for c in every_condition(knowledge) for leaf in leaves(c)]
    derivations = {f.name: f.scale.derived for f in knowledge.findings.values() if f.scale is not None and f.scale.derived}
    inputs = {name for derivation in derivations.values() for name in derivation.inputs}
    every_value = inputs | {name for name in derivations if of_reference(knowledge.findings[name])}
    used = {leaf.name for leaf in told} | {*derivations} | inputs
    return {
        name: representatives(finding, [leaf for leaf in told if leaf.name == name], name in every_value)
        for name, finding in knowledge.findings.items()
        if name in used
    }


def of_reference(finding: Finding) -> bool:
    return finding.scale is not None and finding.scale.reference is not None


def all_patients(knowledge: Knowledge, each: Mapping[str, list[Answer | None]]) -> Iterator[Findings]:
    """Every patient with such answers."""
    for answers in product(*each.values()):
        stated = {name: answer for name, answer in zip(each, answers, strict=True) if answer is not None}
        findings = with_derived(stated, knowledge)
        if findings is not None:
            yield findings


def every_condition(knowledge: Knowledge) -> Iterator[Condition]:
    yield from (condition for _, condition in conditions(knowledge))
    yield from (impossible.when for impossible in knowledge.impossible.values())


def representatives(finding: Finding, told: list[Leaf], every_value: bool) -> list[Answer | None]:
    """No answer, and answers enough that any other does what one of them does."""
    found: dict[object, Answer | None] = {None: None}
    for words in in_words(finding):
        answer = read_answer(finding, words, NOWHERE, Problems(), [])
        assert answer is not None
        value = answer.quantity.exact if answer.quantity is not None and every_value else None
        itself = () if finding.kind == QUANTITY else (answer.truth, answer.choice)
        found.setdefault((value, itself, tuple(leaf_truth(leaf, {finding.name: answer}) for leaf in told)), answer)
    return list(found.values())


def in_words(finding: Finding) -> Iterator[str]:
    """Every answer that the finding can have, as a case file says it."""
    if finding.kind == YES_NO:
        yield from ("yes", "no")
    elif finding.scale is None:
        yield from (choice for choice, _ in finding.choices)
    else:
        low, high = (int(end.scaleb(finding.scale.decimals)) for end in finding.scale.plausible)
        numbers = [plain(Decimal(step).scaleb(-finding.scale.decimals)) for step in range(low, high + 1)]
        own = [f" ({a} to {b})" for a, b in combinations(numbers, 2)] if of_reference(finding) else []
        for sign, number, reference in product(("", "> ", ">= ", "< ", "<= "), numbers, ("", *own)):
            yield f"{sign}{number} u{reference}"


def kinds_of_patients(knowledge: Knowledge) -> frozenset[frozenset[str]] | None:
    """What may be so together, each kind of patient reasoned about once; None where there are too many patients."""
    each = answers_of_all(knowledge)
    if math.prod(map(len, each.values())) > MOST_PATIENTS:
        return None
    told = {
        leaf for condition in every_condition(knowledge) for leaf in leaves(condition) if leaf.name in knowledge.findings
    }
    kinds: dict[tuple[Truth, ...], Findings] = {}
    for findings in all_patients(knowledge, each):
        kinds.setdefault(tuple(leaf_truth(leaf, findings) for leaf in told), findings)
    return frozenset(meant(knowledge, findings) for findings in kinds.values())


def questions(said: Mapping[str, Formula], choose: Chooser) -> Iterator[tuple[str, str]]:
    """What is asked: whether this can be while that is not."""
    yield from ((f"{d} {level}", "") for d in ("alpha", "beta") for level in LEVELS)
    yield from ((name, "") for name in said if name.startswith(("rule", "leads", "shown")))
    yield from ((choose.one_of(list(said)), choose.one_of(list(said))) for _ in range(20))


def test_there_is_such_a_patient_where_enumeration_finds_one() -> None:
    """Levels that can be reached, rules that can fire, and what implies what are proved as they are found among all patients;
    and a patient who is found can be read as a case, is the one in the model, and is as was asked for."""
    counts: Counter[str] = Counter()

    @seed(SEED)
    @examples(8)
    @given(tiny_worlds(), st.composite(lambda draw: Chooser(draw))())
    def hold(texts: dict[str, str], choose: Chooser) -> None:
        knowledge = small_knowledge(texts)
        kinds = kinds_of_patients(knowledge)
        if kinds is None:
            counts["too many patients"] += 1
            return
        counts["enumerated"] += 1
        world = World(knowledge, Patients(knowledge))
        said, asked = Said(world), Asked(world.patients)
        for so, but_not in questions(said.when, choose):
            model = asked.model(said.when[so], *([z3.Not(said.when[but_not])] if but_not else []))
            assert (model is not None) == any(so in kind and but_not not in kind for kind in kinds), (so, but_not)
            counts["found" if model is not None else "proved that there is none"] += 1
            if model is not None:
                findings = findings_of(world.patients.given(model), knowledge)
                assert findings is not None
                assert holds(model, z3.And(exactly(world.patients, findings)))
                assert meant(knowledge, findings) == said.so(model)

    hold()
    print(dict(counts))
    assert counts["enumerated"] > EXAMPLES // 8 * 0.7
    assert min(counts["found"], counts["proved that there is none"]) > EXAMPLES


# Patients who are found ------------------------------------------------------------------------------------------------


def test_patients_found_in_the_built_in_knowledge_are_as_asked_for() -> None:
    """A case reader takes them, and the meaning agrees that what was asked for is so."""
    world, said, asked = built_in_world()
    levels = [f"{diagnosis} {level}" for diagnosis in world.knowledge.order for level in LEVELS]
    leads = [f"leads {diagnosis}" for diagnosis in world.knowledge.order]
    wanted = [
        *levels[::8],
        *leads[::5],
        *(f"flag {flag}" for flag in [*world.knowledge.red_flags][::10]),
        "as urgent as soon",
    ]
    found = 0
    for name in wanted:
        given_findings = asked.patient(said.when[name])
        if given_findings is not None:
            found += 1
            findings = findings_of(given_findings, world.knowledge)
            assert findings is not None, name
            assert name in meant(world.knowledge, findings)
    assert found > len(wanted) / 2


def quantity(**more: Any) -> dict[str, Any]:
    return thing(kind="quantity", unit="u", **{"decimals": "1", "plausible": "-40 to 60", **more})


def base(
    facts: dict[str, Any], flags: dict[str, Any] | None = None, beta: dict[str, Any] | None = None, **alpha: Any
) -> Knowledge:
    """A knowledge base with these findings, of which it makes nothing but what stands under its diagnoses."""
    rules = {"title": "A diagnosis", "summary": "Of no account", "rules": {}}
    files = {f"rules/{tier}/{d}.yaml": dumped({**rules, **(beta or {})}) for tier, listed in TIERS_OF_TWO for d in listed}
    files["rules/most_likely/alpha.yaml"] = dumped({**rules, **alpha})
    if flags:
        files["rules/red_flags.yaml"] = dumped(flags)
    return small_knowledge({**FRAME, **files, "facts/all.yaml": dumped(facts)})


@pytest.mark.parametrize("words", ["> 4 u (1 to 3)", ">= -40 u", "< 60 u", "<= 0.3 u", "-0.4 u", "0 u (-3 to -1.5)"])
def test_a_quantity_is_written_as_it_was_read(words: str) -> None:
    knowledge = base({"level": quantity(reference="2 to 5", reference_source="expert")})
    finding, everyone = knowledge.findings["level"], Patients(knowledge)
    answer = read_answer(finding, words, NOWHERE, Problems(), [])
    assert answer is not None
    assert Asked(everyone).patient(*answered(everyone, finding, answer)) == {"level": words}


@pytest.mark.parametrize("divisor", ["-3 to 40", "1 to 900"])
def test_a_ratio_is_right_in_whoever_is_found(divisor: str) -> None:
    """Nothing is said of a divisor of zero, and halves are rounded away from zero."""
    facts = {"above": quantity(), "below": quantity(decimals="0", plausible=divisor)}
    knowledge = base({**facts, "parts": quantity(derived={"ratio": ["above", "below"]})})
    everyone = Patients(knowledge)
    above, below, parts = (everyone.amount(name) for name in knowledge.findings)
    asked = Asked(everyone)
    known = [above.exact, below.exact, parts.exact, below.value != 0]
    assert asked.patient(*known, below.value == 2, above.value == -1, parts.value != -1) is None
    for wanted in (parts.value == -7, parts.value == 25, z3.And(above.value > 0, parts.value == 0)):
        model = asked.model(*known, wanted)
        assert model is not None
        findings = findings_of(everyone.given(model), knowledge)
        assert findings is not None and holds(model, z3.And(exactly(everyone, findings)))


def test_a_score_that_counts_nothing_is_zero() -> None:
    knowledge = base({"ache": thing(kind="yes-no")}, scores={"tally": entry(points={}, asserted_only={"ache": "-2"})})
    world = World(knowledge, Patients(knowledge))
    assert Asked(world.patients).patient(world.of(Compare("tally", ">=", Decimal(0))).no) is None
    assert Asked(world.patients).patient(world.of(Compare("tally", ">", Decimal(0))).no) == {}


def test_two_vocabularies_share_their_patients() -> None:
    """What is called otherwise now is the same answer; what is not shared is another."""
    before, after = base({"ache": thing(kind="yes-no")}), base({"pain": thing(kind="yes-no")})
    old, shared, apart = Patients(before), Patients(after, {"pain": "ache"}), Patients(after)
    contrary = [old.truth("ache").yes, shared.truth("pain").no]
    assert Asked(old, shared).patient(*contrary) is None
    assert Asked(old, shared).patient(contrary[0]) == {"ache": "yes"}
    assert Asked(old, apart).patient(contrary[0], apart.truth("pain").no) == {"ache": "yes", "pain": "no"}


@pytest.mark.parametrize(
    ("derived", "given_findings"),
    [("difference", ("59 u", "-2 u")), ("ratio", ("60 u", "0.1 u"))],
)
def test_nobody_has_a_derived_quantity_that_is_not_plausible(derived: str, given_findings: tuple[str, str]) -> None:
    """Though the question does not speak of it."""
    facts = {"above": quantity(), "below": quantity(), "both": quantity(derived={derived: ["above", "below"]})}
    knowledge = base(facts)
    everyone = Patients(knowledge)
    wanted = []
    for name, words in zip(("above", "below"), given_findings, strict=True):
        answer = read_answer(knowledge.findings[name], words, NOWHERE, Problems(), [])
        assert answer is not None
        wanted += answered(everyone, knowledge.findings[name], answer)
    assert Asked(everyone).patient(wanted[0]) is not None
    assert Asked(everyone).patient(*wanted) is None


def test_nobody_has_answers_either_of_which_is_impossible() -> None:
    never = {"title": "Neither", "when": {"any": ["ache", "red"]}}
    facts = {name: thing(kind="yes-no") for name in ("ache", "red", "well")}
    files = {"facts/all.yaml": dumped(facts), "facts/impossible.yaml": dumped({"never": never})}
    rules = {"title": "A diagnosis", "summary": "Of no account", "rules": {}}
    files |= {f"rules/{tier}/{d}.yaml": dumped(rules) for tier, listed in TIERS_OF_TWO for d in listed}
    everyone = Patients(small_knowledge({**FRAME, **files}))
    for name in ("ache", "red"):
        assert Asked(everyone).patient(everyone.truth(name).yes) is None
        assert Asked(everyone).patient(everyone.truth(name).no) is not None


# Guarantees ------------------------------------------------------------------------------------------------------------


def kept(world: World, guarantee: Guarantee) -> bool:
    """Whether it is, asked at once of everything in this world."""
    broken = z3.Not(formula(world, guarantee.promise))
    return Asked(world.patients).patient(world.of(guarantee.whenever).yes, broken) is None


def test_a_guarantee_is_judged_as_the_whole_knowledge_has_it() -> None:
    """Although most of it is not asked: the verdict, and that each change that is named breaks it."""
    verdicts = Counter[str]()

    @seed(SEED)
    @examples(2)
    @given(knowledge_texts(), st.integers(0, 5039))
    def hold(texts: dict[str, str], number: int) -> None:
        knowledge = small_knowledge(texts)
        prover = Prover(knowledge)
        kinds = [(flag.when, flag.urgency) for flag in knowledge.red_flags.values()] if number % 2 else []
        kinds = kinds or [(condition, URGENCIES[1 + number % 3]) for _, condition, _ in conditions_of(knowledge)]
        whenever, urgency = kinds[number % len(kinds)]
        guarantee = Guarantee("g", "G", "H", whenever, UrgencyPromise(urgency), NOWHERE)
        verdict = judged(prover, guarantee, mutants_of)
        verdicts[verdict.verdict] += 1
        if verdict.verdict != EMPTY:
            assert (verdict.verdict == PROVED) == kept(World(knowledge, Patients(knowledge)), guarantee)
        for change in verdict.broken_by:
            verdicts["named"] += 1
            changed = change.apply(knowledge)
            assert not kept(World(changed, Patients(changed)), guarantee), change.id

    hold()
    assert min(verdicts[word] for word in (PROVED, REFUTED, "named")) > EXAMPLES / 50, verdicts


SCORED = {"tally": entry(points={"red": "1"})}


def test_a_promise_is_kept_by_what_has_nothing_to_do_with_its_premise() -> None:
    """A red flag that fires although nothing that it reads is known; and a fault of it is the one that is named."""
    flag = {"title": "T", "when": "tally <= 5 points", "urgency": "soon", "action": "A", "source": "expert"}
    knowledge = base({"ache": thing(kind="yes-no"), "red": thing(kind="yes-no")}, scores=SCORED, flags={"always": flag})
    guarantee = Guarantee("g", "G", "H", Is("ache"), UrgencyPromise("soon"), NOWHERE)
    verdict = judged(Prover(knowledge), guarantee, mutants_of)
    assert (verdict.verdict, {change.owner for change in verdict.broken_by}) == (PROVED, {"always"})
    harder = replace(guarantee, promise=UrgencyPromise("same day"))
    assert judged(Prover(knowledge), harder, mutants_of).verdict == REFUTED


def test_a_promise_about_a_diagnosis_of_exclusion_is_judged_by_all_others() -> None:
    facts = {"ache": thing(kind="yes-no"), "red": thing(kind="yes-no")}
    last = {"kind": "exclusion", "needs_no": ["red"], "rules": {"aches": entry(when="ache", then="strongly supports")}}
    likely = {"scores": SCORED, "rules": {"by-tally": entry(when="tally >= 1 points", then="weakly supports")}}
    knowledge = base(facts, beta=last, **likely)
    whenever = All((Is("ache"), Not(Is("red"))))
    guarantee = Guarantee("g", "G", "H", whenever, LevelPromise("beta", "likely", unless_excluded=False), NOWHERE)
    verdict = judged(Prover(knowledge), guarantee, mutants_of)
    assert (verdict.verdict, {change.owner for change in verdict.broken_by}) == (PROVED, {"aches"})
    alone = replace(guarantee, whenever=Is("ache"))
    assert judged(Prover(knowledge), alone, mutants_of).verdict == REFUTED


# What can be left out --------------------------------------------------------------------------------------------------


def test_nothing_can_be_left_out_of_the_smallest_findings() -> None:
    """Whatever it is that holds, one by one and with everything that follows from what is left."""
    shrunk = Counter[str]()

    @seed(SEED)
    @examples(10)
    @given(varied_knowledge(), told())
    def hold(texts: dict[str, str], given_findings: dict[str, str]) -> None:
        knowledge = small_knowledge(texts)
        _, findings = read(given_findings, knowledge)
        if findings is None or any(a.derived and a.reference != known_reference(knowledge, n) for n, a in findings.items()):
            return
        for so in sorted(meant(knowledge, findings))[::5]:

            def still(fewer: Findings, so: str = so) -> bool:
                return so in meant(knowledge, fewer)

            least = smallest(findings, knowledge, still)
            # What was given may now be derived: from others that are left, to the same value.
            assert still(least) and {n: a for n, a in least.items() if not a.derived}.items() <= findings.items()
            shrunk["left out" if len(least) < len(findings) else "all needed"] += 1
            for name in (n for n, a in least.items() if not a.derived):
                fewer = with_derived({n: a for n, a in least.items() if n != name}, knowledge)
                assert fewer is None or not still(fewer)

    hold()
    assert shrunk["left out"] > EXAMPLES / 4


def known_reference(knowledge: Knowledge, name: str) -> tuple[Decimal, Decimal] | None:
    scale = knowledge.findings[name].scale
    return None if scale is None else scale.reference


def test_what_was_needed_is_left_out_once_it_is_not_any_more() -> None:
    """Of a, b and c, c can go first, and only then a."""
    fine = [frozenset("abc"), frozenset("ab"), frozenset("b")]
    assert fewest("abc", fine.__contains__) == frozenset("b")
    assert fewest("abcdefg", lambda names: "f" not in names or "c" in names) == frozenset()
