"""Which question comes next: danger first, topic by topic, and nothing that can no longer change anything."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings

from crampdx.engine.inference.outcome import outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.interview.consultation import Consultation
from crampdx.engine.interview.questions import LINES, Interviewer, Screen
from crampdx.engine.knowledge.model import KNOWERS, YES_NO, Knowledge
from crampdx.engine.knowledge.quantities import plain
from crampdx.engine.knowledge.truth import Valuation, impossible
from crampdx.engine.report.records import record

from small_worlds import dumped, knowledge_texts, patients, small_knowledge

PLAIN = {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient"}
EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "300")) // 2
SEED = int(os.environ.get("CRAMPDX_SEED", "20261122"))
TOPICS = {
    "first": {
        "title": "First",
        "panels": [{"title": "A", "findings": ["ache", "bruise"]}, {"title": "B", "findings": ["gated"]}],
    },
    "second": {"title": "Second", "panels": [{"title": "C", "findings": ["chill", "drowse", "colour"]}]},
    "third": {"title": "Third", "panels": [{"title": "D", "findings": ["level"]}, {"title": "E", "findings": ["width"]}]},
}
OTHER_ANSWERS = {
    **dict.fromkeys(("ache", "bruise", "chill", "drowse", "gated"), ("yes", "no")),
    "colour": ("", "pale", "red", "blue"),
    **dict.fromkeys(("level", "width"), ("", "-1 u", "1 u", "2.5 u", "4.5 u", "7 u", "11 u")),
}


@pytest.fixture(scope="module", name="interviewer")
def _interviewer(knowledge: Knowledge) -> Interviewer:
    return Interviewer(knowledge)


def denied(state: Consultation, screen: Screen) -> Consultation:
    """With a no to every line where that can be; a number or a choice is not known."""
    for finding in screen.findings:
        can_be = finding.kind == YES_NO and not state.problems_with(finding.name, "no").errors
        state = state.answered(finding.name, "no") if can_be else state.left_unknown(finding.name)
    return state.at(screen.topic)


def healthy(state: Consultation, screen: Screen) -> Consultation:
    """The same, with a usual value for each quantity."""
    (first, *_) = screen.findings
    if first.scale is None or first.scale.usual is None:
        return denied(state, screen)
    low, high = first.scale.usual
    words = f"{plain(round((low + high) / 2, first.scale.decimals))} {first.scale.unit}"
    return state.answered(first.name, words).at(screen.topic)


def asked_in_turn(interviewer: Interviewer, state: Consultation) -> tuple[list[Screen], Consultation]:
    """Every screen of a session in which nothing is so, and the state at its end."""
    screens: list[Screen] = []
    while (screen := interviewer.next_screen(state)) is not None:
        screens.append(screen)
        state = denied(state, screen)
    return screens, state


def said(knowledge: Knowledge, state: Consultation) -> dict[str, Any]:
    """What the report concludes. What is missing and what could be reached speak of questions, not of the patient; that nothing
    for a diagnosis was found is one conclusion, whether a rule for it that cannot fire any more is decided or not."""
    findings = state.findings
    result = record("x", outcome(knowledge, findings, infer(knowledge, findings)))
    kept = ("urgency", "red_flags", "notes", "scope", "leading")
    quiet = ("undecided", "not assessed", "not supported")
    lines = [(line["diagnosis"], line["level"], line["points"]) for line in result["differential"]]
    levels = {diagnosis: ("" if level in quiet else level, points) for diagnosis, level, points in lines}
    flags = {key: [entry["id"] for entry in result[key]] for key in ("red_flags", "notes", "scope")}
    return {**{key: result[key] for key in kept if key not in flags}, **flags, "levels": levels, "advice": result["advice"]}


@seed(SEED)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(knowledge_texts(), patients())
def test_nothing_left_unasked_could_have_changed_anything(texts: dict[str, str], known: dict[str, str]) -> None:
    """Where no more is asked, every answer to what was left out gives the same conclusions."""
    knowledge = small_knowledge({**texts, "rules/interview.yaml": dumped(TOPICS)})
    interviewer = Interviewer(knowledge)
    known.pop("sum_of_both", None)
    state = Consultation(knowledge, known)
    if impossible(knowledge, state.findings):
        return
    _, state = asked_in_turn(interviewer, state)
    now = said(knowledge, state)
    valuation = Valuation(knowledge, state.findings)
    silent = [
        name
        for name in OTHER_ANSWERS
        if name not in state.given and name not in state.passed
        if (gate := knowledge.findings[name].ask_when) is None or valuation.of(gate) is not False
    ]
    ways = list(product(*(OTHER_ANSWERS[name] for name in silent)))
    for words in random.Random(SEED).sample(ways, min(len(ways), 60)):
        answers = {**state.given, **{n: w for n, w in zip(silent, words, strict=True) if w}}
        after = replace(state, given=answers)
        if all(not after.problems_with(name, words).errors for name, words in answers.items()):
            assert said(knowledge, after) == now


def test_a_session_asks_danger_first_and_a_topic_at_a_time(knowledge: Knowledge, interviewer: Interviewer) -> None:
    """The first topic is that of the red flags. First what bears on danger is asked, then what bears on the differential, each from
    the patient to the laboratory; in each part a topic that was left comes back only for a question that waited for its gate.
    So it is as long as no answer changes what matters: in a healthy person."""
    state = Consultation(knowledge)
    danger = True
    left: set[tuple[bool, str]] = set()
    before: tuple[bool, int, str] | None = None
    while (screen := interviewer.next_screen(state)) is not None:
        danger = danger and not interviewer.stops(state).safe
        knower = max(KNOWERS.index(f.known_by) for f in screen.findings)
        here = (danger, knower, screen.topic)
        if before is None:
            assert screen.topic == knowledge.topics[0].id
        elif here != before:
            left.add((before[0], before[2]))
            assert before[0] != here[0] or before[1] <= here[1], "what the patient knows comes before what others find"
        if (danger, screen.topic) in left:
            assert all(f.ask_when is not None for f in screen.findings), f"{screen.topic} was left and came back"
        before = here
        assert 1 <= len(screen.findings) <= LINES
        assert all(f.kind == YES_NO for f in screen.findings) or len(screen.findings) == 1
        state = healthy(state, screen)


def test_a_gate_comes_before_its_question(knowledge: Knowledge, interviewer: Interviewer) -> None:
    """What decides whether a question makes sense is asked first, and where it is no, the question is not put."""
    state = Consultation(knowledge)
    while (screen := interviewer.next_screen(state)) is not None:
        valuation = Valuation(knowledge, state.findings)
        for finding in screen.findings:
            assert finding.ask_when is None or valuation.of(finding.ask_when) is not False
        state = state.left_unknown(*(f.name for f in screen.findings)).at(screen.topic)
    gated = {f.name for f in knowledge.findings.values() if f.ask_when is not None and f.known_by == "patient"}
    asked = {f.name for s in asked_in_turn(interviewer, Consultation(knowledge))[0] for f in s.findings}
    assert len(gated - asked) > len(gated) / 3, "nothing is so, hence most of what depends on something is not asked"


def test_what_waits_for_a_question_that_does_not_arise_does_not_arise(
    knowledge: Knowledge, interviewer: Interviewer
) -> None:
    """No medicine was stopped, so none was taken again, and whether symptoms returned then is not asked, though nobody said that
    none was taken again. Somebody who does not know whether it was taken again can still know that symptoms returned."""
    never = Consultation(knowledge, {"suspected_medicine_stopped": "no"})
    assert not Valuation(knowledge, never.findings).arises("symptoms_returned_on_restart")
    assert "symptoms_returned_on_restart" in interviewer.matters(Consultation(knowledge))
    assert "symptoms_returned_on_restart" not in interviewer.matters(never)
    forgotten = Consultation(knowledge, {"suspected_medicine_stopped": "yes"}).left_unknown("suspected_medicine_restarted")
    assert "symptoms_returned_on_restart" in interviewer.matters(forgotten)


SCAN = {**PLAIN, "known_by": "laboratory"}


def bare(clot: dict[str, Any], *flags: Any, facts: dict[str, Any], tier: str = "most_likely") -> Knowledge:
    """A knowledge base of one diagnosis and red flags, whose session asks for each fact on a topic of its own."""
    tiers = ("most_likely", "other_likely", "do_not_miss", "rare")
    red_flags = {
        f"flag-{i}": {"title": "F", "when": when, "urgency": "emergency", "action": "Act.", "source": "expert"}
        for i, when in enumerate(flags)
    }
    topics = {f"about-{name}": {"title": name, "panels": [{"title": "Any?", "findings": [name]}]} for name in facts}
    return small_knowledge(
        {
            "facts/all.yaml": dumped(facts),
            "rules/document.yaml": dumped({t: {"heading": t, "diagnoses": ["clot"] if t == tier else []} for t in tiers}),
            "rules/weighing.yaml": dumped(
                {"points": {"weak": 1, "moderate": 3, "strong": 6}, "levels": {"possible": 3, "likely": 6, "unlikely": -3}}
            ),
            f"rules/{tier}/clot.yaml": dumped({"title": "Clot", "summary": "A clot", **clot}),
            **({"rules/red_flags.yaml": dumped(red_flags)} if red_flags else {}),
            "rules/interview.yaml": dumped(topics),
        }
    )


def rule(when: Any, then: str, **more: str) -> dict[str, Any]:
    return {"title": "R", "when": when, "then": then, "source": "expert", **more}


@pytest.mark.parametrize("key", ["needs", "likely_needs", "advice"])
def test_what_no_rule_reads_is_asked_where_the_report_hangs_on_it(key: str) -> None:
    """Whether the diagnosis may be possible, or likely, or what is advised, though no rule does."""
    advice = {"rub": {"text": "Do not rub.", "when": "chill", "withheld": "No chill.", "source": "expert"}}
    clot = {"rules": {"by-ache": rule("ache", "strongly supports")}, key: advice if key == "advice" else "chill"}
    knowledge = bare(clot, facts={"ache": PLAIN, "chill": PLAIN})
    interviewer = Interviewer(knowledge)
    assert interviewer.matters(Consultation(knowledge, {"ache": "yes"})) == {"chill"}
    assert interviewer.matters(Consultation(knowledge, {"ache": "no"})) == set()


def test_what_the_patient_can_rule_out_is_not_left_to_an_examiner() -> None:
    """Either answer would rule the red flag out; the patient is asked, and then it is safe to stop."""
    clot = {"rules": {"by-ache": rule("ache", "weakly supports")}}
    knowledge = bare(clot, {"all": ["ache", "scan"]}, facts={"ache": PLAIN, "scan": {**PLAIN, "known_by": "examiner"}})
    interviewer = Interviewer(knowledge)
    screen = interviewer.next_screen(Consultation(knowledge))
    assert screen is not None and [f.name for f in screen.findings] == ["ache"]
    assert interviewer.before_safe(Consultation(knowledge)) == 1
    assert interviewer.stops(Consultation(knowledge, {"ache": "no"})).safe


def test_an_excluded_diagnosis_that_may_yet_be_established_is_no_safe_stop() -> None:
    """It would be contradictory, which counts as at least possible."""
    clot = {
        "urgency": {"possible": "same day"},
        "rules": {"out": rule("ache", "excludes", scope="everyone"), "seen": rule("scan", "establishes")},
    }
    knowledge = bare(clot, facts={"ache": PLAIN, "scan": SCAN}, tier="do_not_miss")
    interviewer = Interviewer(knowledge)
    assert not interviewer.stops(Consultation(knowledge, {"ache": "yes"})).safe
    assert interviewer.stops(Consultation(knowledge, {"ache": "yes", "scan": "no"})).safe


def test_a_no_that_would_follow_from_a_gate_is_foreseen() -> None:
    """Nobody knows whether it chills at night; if it never chills, it does not at night either, and the red flag fires."""
    night = {**PLAIN, "ask_when": "chill", "when_closed": "no"}
    clot = {"rules": {"by-ache": rule("ache", "weakly supports")}}
    knowledge = bare(clot, {"not": "night"}, facts={"ache": PLAIN, "chill": PLAIN, "night": night})
    interviewer = Interviewer(knowledge)
    passed = Consultation(knowledge).left_unknown("night")
    assert not interviewer.stops(passed).safe
    assert interviewer.stops(passed.answered("chill", "yes")).safe


def test_what_is_declined_or_skipped_is_not_asked(knowledge: Knowledge, interviewer: Interviewer) -> None:
    """`no tests`, `no examination` and `skip topic` close whole groups at once; reopening brings them back."""
    state = Consultation(knowledge).without("tests").without("examination").skipping(knowledge.topics[0].id)
    screens, _ = asked_in_turn(interviewer, state)
    assert {f.known_by for s in screens for f in s.findings} == {"patient"}
    assert knowledge.topics[0].id not in {s.topic for s in screens}
    assert interviewer.remaining(state) < interviewer.remaining(Consultation(knowledge)) / 2
    assert interviewer.next_screen(state.reopened(knowledge.topics[0].id)).topic == knowledge.topics[0].id  # type: ignore[union-attr]


def test_screens_to_come_become_no_more(knowledge: Knowledge, interviewer: Interviewer) -> None:
    """Where nothing is so, what is said to be left falls to none, and it is said at first about how many screens it takes."""
    state = Consultation(knowledge).without("tests").without("examination")
    first = left = interviewer.remaining(state)
    before = interviewer.before_safe(state)
    assert 0 < before < left
    asked = until_safe = 0
    while (screen := interviewer.next_screen(state)) is not None:
        until_safe += not interviewer.stops(state).safe
        state = denied(state, screen)
        asked += 1
        assert interviewer.remaining(state) <= left
        left = interviewer.remaining(state)
    assert left == 0
    assert first / 2 < asked <= first
    assert before - 3 <= until_safe <= before + 3
