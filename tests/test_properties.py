"""What must hold whatever is known of a patient: of random small knowledge bases, and of the built-in one."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.model import AT_LEAST_POSSIBLE, LEVELS, URGENCIES, Findings, Knowledge
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.knowledge.quantities import plain

from small_worlds import COLOURS, YES_NO, dumped, knowledge_texts, patients, small_knowledge

SETTINGS = settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
SEED = 20261122


def concluded(knowledge: Knowledge, findings: Findings) -> Outcome:
    return outcome(knowledge, findings, infer(knowledge, findings))


def read(given_findings: dict[str, str], knowledge: Knowledge) -> Case | None:
    """The case, or None when it is refused (contradictory, implausible, impossible)."""
    problems = Problems()
    text = dumped({"given": given_findings}) if given_findings else "given:\n"
    cases = read_cases(text, "patient.yaml", knowledge, problems)
    return cases[0] if cases and not problems.errors else None


def fired(result: Outcome) -> set[str]:
    return {r for c in result.inference.conclusions.values() for r in c.fired}


def holds_when_more_is_known(less: Outcome, more: Outcome) -> None:
    """The promises about learning more."""
    if any(less.valuation.closed(name) for name in more.valuation.findings):
        return  # an answer to a question that a closed gate had answered with no counts, and the report says so: doubts
    # Nothing that was decided is withdrawn. Were unknown read as no, a rule could fire and later fall silent.
    assert fired(less) <= fired(more)
    assert set(less.inference.red_flags) <= set(more.inference.red_flags)
    assert less.inference.said <= more.inference.said
    for name, truth in less.valuation.decided.items():
        assert truth is None or more.valuation.decided[name] is truth
    # No completion passes what could be reached, except into contradiction, which takes evidence against.
    for diagnosis, conclusion in more.inference.conclusions.items():
        could = less.inference.conclusions[diagnosis].could_reach
        assert conclusion.level == "contradictory" or LEVELS.index(conclusion.level) >= min(
            LEVELS.index(could), LEVELS.index("undecided")
        ), (diagnosis, could, conclusion.level)
    # Urgency falls only by a rule against, and the report names it.
    if URGENCIES.index(more.urgency) < URGENCIES.index(less.urgency):
        new_against = {
            e.rule.diagnosis
            for line in more.lines
            for e in line.evidence
            if not e.rule.is_for and e.rule.id not in fired(less)
        }
        fell = {
            d
            for d, c in less.inference.conclusions.items()
            if c.urgency and URGENCIES.index(c.urgency) > URGENCIES.index(more.urgency)
        }
        assert fell
        assert fell <= new_against
    holds_of_one(less)
    holds_of_one(more)


def holds_of_one(result: Outcome) -> None:
    """The promises about any single report."""
    for flag, _ in result.red_flags:
        assert URGENCIES.index(result.urgency) >= URGENCIES.index(flag.urgency)
    listed = {line.conclusion.diagnosis: line for line in result.lines}
    for diagnosis in result.knowledge.diagnoses.values():
        if diagnosis.tier == "do_not_miss" and diagnosis.origin == "document":
            assert diagnosis.id in listed
            line = listed[diagnosis.id]
            open_rules = [r for r in result.knowledge.rules_of[diagnosis.id] if result.valuation.of(r.when) is None]
            if line.conclusion.level != "excluded" and open_rules:
                assert line.missing
    if result.leading:
        assert listed[result.leading].conclusion.level in AT_LEAST_POSSIBLE
    ranks = [line.conclusion.rank for line in result.lines]
    assert ranks == sorted(ranks)


@seed(SEED)
@SETTINGS
@given(knowledge_texts(), patients(), st.data())
def test_learning_more_keeps_every_promise(texts: dict[str, str], known: dict[str, str], data: st.DataObject) -> None:
    """Over small knowledge bases: a patient, and the same patient with more known."""
    knowledge = small_knowledge(texts)
    extra = data.draw(patients())
    less = read(known, knowledge)
    more = read({**extra, **known}, knowledge)
    assume(less is not None and more is not None)
    assert less is not None
    assert more is not None
    holds_when_more_is_known(concluded(knowledge, less.findings), concluded(knowledge, more.findings))


@seed(SEED)
@SETTINGS
@given(knowledge_texts(), patients())
def test_what_could_be_reached_bounds_every_completion(texts: dict[str, str], known: dict[str, str]) -> None:
    """Over small knowledge bases: many full completions, none of which passes the bound or withdraws a rule."""
    knowledge = small_knowledge(texts)
    case = read(known, knowledge)
    assume(case is not None)
    assert case is not None
    before = concluded(knowledge, case.findings)
    dice = random.Random(str(sorted(known.items())))
    for _ in range(12):
        full = {name: dice.choice(("yes", "no")) for name in (*YES_NO, "gated")}
        full |= {"colour": dice.choice(COLOURS), "level": f"{dice.randint(0, 9)} u", "width": f"{dice.randint(0, 9)} u"}
        completed = read({**full, **known}, knowledge)
        if completed is not None:
            holds_when_more_is_known(before, concluded(knowledge, completed.findings))


# The built-in knowledge ----------------------------------------------------------------------------------------------


def random_given(knowledge: Knowledge, dice: random.Random, how_many: int) -> dict[str, str]:
    """Random answers over the whole vocabulary, thresholds and their neighbours among the numbers."""
    names = [n for n, f in knowledge.findings.items() if not f.recorded_only]
    return {name: random_value(knowledge, name, dice) for name in dice.sample(names, how_many)}


def random_value(knowledge: Knowledge, name: str, dice: random.Random) -> str:
    finding = knowledge.findings[name]
    if finding.scale is not None:
        low, high = finding.scale.usual or finding.scale.plausible
        step = 10**finding.scale.decimals
        number = dice.randint(int(low * step), int(high * step))
        return f"{number / step:.{finding.scale.decimals}f} {finding.scale.unit}"
    if finding.choices:
        return dice.choice([c for c, _ in finding.choices])
    return dice.choice(("yes", "no"))


@pytest.mark.parametrize("number", range(60))
def test_the_built_in_knowledge_keeps_every_promise(knowledge: Knowledge, number: int) -> None:
    """Random patients of the real vocabulary, and the same patients with more known."""
    dice = random.Random(number)
    known = random_given(knowledge, dice, dice.randint(0, 40))
    less = read(known, knowledge)
    if less is None:
        known = {}
        less = read(known, knowledge)
    assert less is not None
    result = concluded(knowledge, less.findings)
    for _ in range(5):
        more = read({**random_given(knowledge, dice, dice.randint(1, 60)), **known}, knowledge)
        if more is not None:
            holds_when_more_is_known(result, concluded(knowledge, more.findings))


def test_every_case_with_one_more_finding_keeps_every_promise(knowledge: Knowledge, all_cases: tuple[Case, ...]) -> None:
    """Each regression case, and the same with single findings more: where urgency can fall, it falls by a named rule."""
    dice = random.Random(SEED)
    names = [n for n, f in knowledge.findings.items() if not f.recorded_only]
    for case in all_cases[::5]:
        result = concluded(knowledge, case.findings)
        known = {name: scalar.text for name, scalar in case.given.items()}
        for name in dice.sample(names, 4):
            more = read({name: random_value(knowledge, name, dice), **known}, knowledge)
            if more is not None:
                holds_when_more_is_known(result, concluded(knowledge, more.findings))


def test_nothing_known_is_the_documents_own_list(reasoner: Any, knowledge: Knowledge) -> None:
    """With no findings: the document's list in its order, every line not assessed, no leading diagnosis."""
    result = reasoner.conclude({})
    documents = [d for tier in knowledge.tiers for d in tier.diagnoses]
    assert [line.conclusion.diagnosis for line in result.lines] == documents
    assert {line.conclusion.level for line in result.lines} == {"not assessed"}
    assert result.leading == ""
    assert result.urgency == "routine"
    assert len(documents) == 11


def test_unknown_is_the_same_as_not_said(knowledge: Knowledge, all_cases: tuple[Case, ...]) -> None:
    """An explicit unknown changes nothing."""
    for case in all_cases[::10]:
        known = {name: scalar.text for name, scalar in case.given.items()}
        unknown = {n: "unknown" for n in knowledge.findings if n not in known}
        said = read({**known, **unknown}, knowledge)
        assert said is not None
        assert said.findings == case.findings


def test_no_limit_is_finer_than_the_vocabulary(knowledge: Knowledge) -> None:
    """Plain numbers never need an exponent."""
    for finding in knowledge.findings.values():
        if finding.scale is not None:
            assert "E" not in plain(finding.scale.plausible[1])
