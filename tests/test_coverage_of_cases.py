"""What the regression cases exercise: no rule, red flag, note or advice stands there untried."""

from __future__ import annotations

from crampdx.engine.authoring.coverage import coverage_of
from crampdx.engine.authoring.killing import Trial
from crampdx.engine.authoring.mutation import ADVICE, DANGEROUS, EXCLUDES, RED_FLAG, SCORE, mutants_of
from crampdx.engine.authoring.survivors import tried
from crampdx.engine.knowledge.model import LEVELS
from crampdx.engine.proof.differing import telling_apart
from crampdx.engine.proof.reach import Prover

from at_hand import all_cases, built_in, cases_of, meant


def test_every_rule_flag_note_and_advice_fires_in_some_case() -> None:
    """By cases that expect something, so that a change to it is noticed."""
    knowledge = built_in()
    tried: set[str] = set()
    for case in all_cases():
        if case.expected:
            inference = meant(case)
            tried |= {rule for c in inference.conclusions.values() for rule in c.fired}
            tried |= set(inference.red_flags) | inference.said
    things = (knowledge.rules, knowledge.red_flags, knowledge.notes, knowledge.scope, knowledge.advice)
    assert {id for kind in things for id in kind} <= tried
    assert {a.unless_id for a in knowledge.advice.values() if a.unless is not None} <= tried


def test_every_diagnosis_is_seen_at_its_levels() -> None:
    """Each diagnosis comes out as possible, likely or established, undecided, not assessed and unlikely in some case, and each
    level that is named in an expectation is one of the levels."""
    knowledge = built_in()
    seen: dict[str, set[str]] = {d: set() for d in knowledge.diagnoses}
    for case in all_cases():
        for diagnosis, conclusion in meant(case).conclusions.items():
            seen[diagnosis].add(conclusion.level)
    for diagnosis, levels in seen.items():
        assert {"possible", "likely", "undecided", "not assessed", "unlikely"} <= levels, diagnosis
        assert levels <= set(LEVELS)


def test_cases_from_the_evidence_exercise_everything() -> None:
    """Every rule fires and is known not to, every clause is yes, no and unknown, every level is reached."""
    assert not list(map(str, coverage_of(built_in(), all_cases()).missing(("evidence",))))


def test_every_fault_that_could_harm_is_noticed_by_cases_from_the_evidence() -> None:
    """Of a red flag, an excludes rule, a rule of a diagnosis not to be missed, a score and an advice gate: what no such case
    notices is proved to change nothing for any patient."""
    knowledge = built_in()
    result = tried(Trial(knowledge, all_cases()), mutants_of(knowledge), ("evidence",))
    held = (RED_FLAG, EXCLUDES, DANGEROUS, SCORE, ADVICE)
    assert all(result.of_kind(kind) > 100 for kind in held)
    prover = Prover(knowledge)
    alive = [v.mutant for v in result.survivors if v.mutant.kind in held]
    assert not [m.id for m in alive if telling_apart(prover, m.apply(knowledge), m.owner) is not None]


def test_twenty_everyday_patients_are_never_urgent() -> None:
    """Each of them expects exactly routine or soon, and a leading diagnosis."""
    cases = cases_of("everyday.yaml")
    assert len(cases) == 20
    for case in cases:
        wanted = {e.subject: e.wanted for e in case.expected}
        assert wanted["urgency"] in ("routine", "soon")
        assert "leading" in wanted
