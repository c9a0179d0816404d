"""How, why not, what if, and the smallest change: as data, as text, and by `crampdx explain`."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from crampdx.cli import main
from crampdx.engine.inference.counterfactual import AIMS, Change, Smallest, _Search, smallest_change
from crampdx.engine.inference.explanation import Lack, changed, how, lacks, named, reaches, why_not
from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reference import infer, standing
from crampdx.engine.inference.weighing import weigh
from crampdx.engine.knowledge.cases import with_derived
from crampdx.engine.knowledge.loader import from_texts
from crampdx.engine.knowledge.model import (
    AT_LEAST_POSSIBLE,
    All,
    Answer,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Findings,
    Is,
    Knowledge,
    Leaf,
    Not,
)
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.knowledge.quantities import Interval
from crampdx.engine.knowledge.truth import Truth, Valuation, combined, score_interval
from crampdx.engine.report.explained import (
    change_paragraphs,
    how_paragraphs,
    smallest_paragraphs,
    why_not_paragraphs,
)
from crampdx.engine.report.paragraphs import wrapped
from crampdx.engine.report.records import record

from at_hand import ROOT, built_in, cases_of
from small_worlds import dumped, knowledge_texts, patient, patients, small_knowledge

EXAMPLE = str(ROOT / "examples" / "cramps_on_walking.yaml")
SEED = int(os.environ.get("CRAMPDX_SEED", "20261122"))
EXAMPLES = int(os.environ.get("CRAMPDX_EXAMPLES", "300"))


def sampled(examples: int) -> settings:
    """So many random knowledge bases; failures are shown as found, since shrinking takes longer than reading them."""
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def concluded_of(knowledge: Knowledge, findings: Findings) -> Outcome:
    return outcome(knowledge, findings, infer(knowledge, findings))


def text(paragraphs: Any, width: int = 80) -> str:
    return "\n".join(wrapped(paragraphs, width))


def crampdx(*arguments: str, input: str | None = None) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, list(arguments), input=input)


# A knowledge base of our own, so that texts do not move with the built-in one -----------------------------------------


def _finding(title: str, kind: str = "yes-no", **more: Any) -> dict[str, Any]:
    return {"title": title, "ask": "Is it so?", "kind": kind, "known_by": "patient", **more}


def _amount(title: str, unit: str, decimals: str = "0", plausible: str = "0 to 300", **more: Any) -> dict[str, Any]:
    return _finding(title, "quantity", unit=unit, decimals=decimals, plausible=plausible, **more)


FACTS = {
    "age": _amount("Age", "years", plausible="0 to 120", fixed="yes"),
    "cancer": _finding("Active cancer"),
    "immobile": _finding("Recent immobility"),
    "pregnant": _finding("Pregnant now", ask_when="sex is female", when_closed="no"),
    "sex": _finding("Sex at birth", "choice", choices={"male": "Male", "female": "Female"}, fixed="yes"),
    "swelling": _finding("Leg swelling"),
    "one_side": _finding("Swelling of one leg only", ask_when="swelling", when_closed="no"),
    "both_sides": _finding("Swelling of both legs", ask_when="swelling", when_closed="no"),
    "colour": _finding("Colour of the leg", "choice", choices={"red": "Red", "pale": "Pale", "dusky_blue": "Blue"}),
    "left_calf": _amount("Left calf", "cm", "1", "20 to 80"),
    "right_calf": _amount("Right calf", "cm", "1", "20 to 80"),
    "calf_difference": _amount(
        "Calf difference", "cm", "1", "0 to 25", derived={"absolute_difference": ["left_calf", "right_calf"]}
    ),
    "sodium": _amount("Serum sodium", "mmol/L", plausible="90 to 200", reference="135 to 145", reference_source="expert"),
    "scan": _finding("Clot on the scan"),
}
RULES = {
    "by-score": {"title": "Two points", "when": "points_table >= 2 points", "then": "strongly supports", "cluster": "table"},
    "by-cancer": {"title": "Cancer", "when": "cancer", "then": "supports", "cluster": "table"},
    "by-colour": {"title": "A discoloured leg", "when": "colour is one of pale, dusky_blue", "then": "weakly supports"},
    "by-salt-and-stillness": {
        "title": "Low sodium in a still patient",
        "when": {"all": ["sodium below range", "immobile", "not pregnant"]},
        "then": "supports",
    },
    "by-scan": {"title": "A clot is seen", "when": "scan", "then": "establishes"},
    "two-sided": {"title": "Both legs alike", "when": "both_sides", "then": "opposes"},
    "no-clot": {"title": "No clot is seen", "when": "not scan", "then": "excludes", "scope": "everyone"},
}
TOY = {
    "facts/all.yaml": dumped(FACTS),
    "facts/impossible.yaml": dumped(
        {"both-and-one": {"title": "Both and one", "when": {"all": ["one_side", "both_sides"]}}}
    ),
    "rules/weighing.yaml": "points:\n  weak: 1\n  moderate: 3\n  strong: 6\n"
    "levels:\n  possible: 3\n  likely: 6\n  unlikely: -3\n",
    "rules/document.yaml": dumped(
        {
            "most_likely": {"heading": "Most likely", "diagnoses": ["clot"]},
            **{tier: {"heading": tier, "diagnoses": []} for tier in ("other_likely", "do_not_miss", "rare")},
        }
    ),
    "rules/concepts.yaml": dumped(
        {"larger_calf": {"title": "A larger calf", "when": "calf_difference >= 3 cm", "source": "expert"}}
    ),
    "rules/notes.yaml": dumped(
        {"notes": {"still": {"title": "Stillness", "when": "immobile", "text": "Move.", "source": "expert"}}}
    ),
    "rules/red_flags.yaml": dumped(
        {
            "salt": {
                "title": "Very low sodium",
                "when": "sodium < 120 mmol/L",
                "urgency": "emergency",
                "action": "Act.",
                "source": "expert",
            }
        }
    ),
    "rules/most_likely/clot.yaml": dumped(
        {
            "title": "Clot in a vein",
            "summary": "A clot",
            "urgency": {"possible": "same day"},
            "likely_needs": {"any": ["swelling", "larger_calf"]},
            "scores": {
                "points_table": {
                    "title": "Points table",
                    "source": "expert",
                    "points": {"cancer": "1", "larger_calf": "1"},
                    "one_of": [{"immobile": "1", "one_side": "1"}],
                }
            },
            "rules": {id: {**rule, "source": "expert"} for id, rule in RULES.items()},
            "advice": {"rub": {"text": "Do not rub.", "when": "swelling", "withheld": "No swelling.", "source": "expert"}},
        }
    ),
}


@pytest.fixture(name="toy", scope="module")
def _toy() -> Knowledge:
    return small_knowledge(TOY)


def told(knowledge: Knowledge, **given: str) -> Findings:
    return patient(given, knowledge).findings


# How -----------------------------------------------------------------------------------------------------------------


def test_how_shows_rules_strengths_sources_and_the_way_down_to_the_findings(toy: Knowledge) -> None:
    """Level and points; what counts and what is outdone by which rule; concepts and scores with what they rest on; caps."""
    findings = told(toy, cancer="yes", left_calf="40 cm", right_calf="36 cm", swelling="no", immobile="no")
    assert text(how_paragraphs(how(concluded_of(toy, findings), "clot"))) == (
        "Clot in a vein: likely, 6 points\n"
        "  For it:\n"
        "  +6 Two points (strongly supports; by-score). [expert]\n"
        "      - Points table: 2 points, because\n"
        "        - Active cancer: yes (+1)\n"
        "        - A larger calf: yes (+1), because\n"
        "          - Calf difference: 4 cm\n"
        "        - Recent immobility: no\n"
        "        - Swelling of one leg only: no, because\n"
        "          - Leg swelling: no\n"
        "  (+) Cancer (supports; by-cancer). [expert]\n"
        "      counts for nothing beside by-score, of the same cluster (table)\n"
        "      - Active cancer: yes\n"
        "  What 'likely' needs is there:\n"
        "  - A larger calf: yes, because\n"
        "    - Calf difference: 4 cm"
    )


def test_how_shows_what_speaks_against_and_what_caps_it(toy: Knowledge) -> None:
    """Rules against stand apart, an exclusion with its scope; an unmet `likely_needs` says what it lacks."""
    account = how(concluded_of(toy, told(toy, cancer="yes", swelling="yes", both_sides="yes", scan="no")), "clot")
    assert [(f.rule.id, f.points) for f in account.against] == [("no-clot", 0), ("two-sided", -3)]
    assert account.state == "excluded"
    assert [c.is_met for c in account.caps] == [True]
    shown = text(how_paragraphs(account))
    assert "--- No clot is seen (excludes; no-clot). Scope: everyone. [expert]" in shown
    unmet_cap = how(concluded_of(toy, told(toy, cancer="yes")), "clot")
    assert "What 'likely' needs is not known to be there, so it is at most possible:" in text(how_paragraphs(unmet_cap))


def test_how_tells_of_red_flags_concepts_and_scores(toy: Knowledge) -> None:
    """A flag that fired shows its findings, an open concept what it lacks, a score its items and what could add to it."""
    state = concluded_of(toy, told(toy, sodium="118 mmol/L", cancer="yes"))
    assert text(how_paragraphs(how(state, "salt"))) == "Very low sodium: fired\n  - Serum sodium: 118 mmol/L"
    assert text(how_paragraphs(how(state, "larger_calf"))) == (
        "A larger calf: not known\n"
        "  What it still lacks:\n"
        "  ? Calf difference (worked out from: Left calf; Right calf): not known, needed\n"
        "    3 cm or more"
    )
    assert text(how_paragraphs(how(state, "points_table"))) == (
        "Points table: 1 to 3 points\n"
        "  - Active cancer: yes (+1)\n"
        "  What could still add to it:\n"
        "  ? not known, needed yes (+1) each: Recent immobility; Swelling of one leg only\n"
        "  ? A larger calf: not known, needed yes; for that: (+1)\n"
        "    ? Calf difference (worked out from: Left calf; Right calf): not known,\n"
        "      needed 3 cm or more"
    )


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("hypothyroidism", ("hypothyroidism",)),
        ("Deep vein thrombosis (DVT)", ("deep_vein_thrombosis",)),
        ("DEEP  vein", ("deep_vein_thrombosis",)),
        ("pad", ("peripheral_artery_disease",)),
        ("compartment", ("chronic_exertional_compartment_syndrome", "compartment_syndrome")),
        ("gout", ()),
        ("", ()),
    ],
)
def test_a_diagnosis_goes_by_its_id_its_title_or_a_part(words: str, meant: tuple[str, ...]) -> None:
    """Exactly one is meant where the words are its id or title; otherwise all that have the words in them."""
    assert tuple(sorted(named(built_in(), words))) == meant


# Why not -------------------------------------------------------------------------------------------------------------


def test_why_not_gives_each_unmet_condition_with_value_seen_and_value_needed(toy: Knowledge) -> None:
    """Weightiest first, in plain words; unknown (?) apart from known otherwise (x); a closed gate says what closes it."""
    findings = told(toy, sex="male", sodium="140 mmol/L", colour="red", left_calf="38 cm", right_calf="36 cm", swelling="no")
    assert text(why_not_paragraphs(why_not(concluded_of(toy, findings), "clot"))) == (
        "Clot in a vein: not assessed, 0 points; not likely, which takes 6 points.\n"
        "  What 'likely' needs is known not to be there, so it is at most possible:\n"
        "  x one of these:\n"
        "    x Leg swelling: no, needed yes\n"
        "    x A larger calf: no, needed yes; for that:\n"
        "      x Calf difference: 2 cm, needed 3 cm or more\n"
        "  Rules for it that have not fired, the weightiest first (? may still fire, x\n"
        "  cannot as things are known):\n"
        "  ? A clot is seen (establishes; by-scan)\n"
        "    ? Clot on the scan: not known, needed yes\n"
        "  ? Two points (strongly supports, would add 6; by-score)\n"
        "    ? Points table: 0 to 2 points, needed 2 points or more; for that:\n"
        "      ? not known, needed yes (+1) each: Active cancer; Recent immobility\n"
        "      x Swelling of one leg only: no while 'Leg swelling: no', needed yes (+1)\n"
        "      x A larger calf: no, needed yes, as above (+1)\n"
        "  ? Cancer (supports, would add 3; by-cancer)\n"
        "    ? Active cancer: not known, needed yes\n"
        "  x Low sodium in a still patient (supports, would add 3; by-salt-and-stillness)\n"
        "    x Serum sodium: 140 mmol/L, needed below its reference interval of 135 to\n"
        "      145\n"
        "    ? Recent immobility: not known, needed yes\n"
        "  x A discoloured leg (weakly supports, would add 1; by-colour)\n"
        "    x Colour of the leg: red, needed pale or dusky blue"
    )


def test_why_not_tells_what_pushes_a_diagnosis_down(toy: Knowledge) -> None:
    """Rules against it, the rule that excludes it, rules outdone in their cluster; and what a silent rule would add beside
    those of its cluster that count already."""
    findings = told(toy, cancer="yes", immobile="yes", swelling="yes", both_sides="yes", scan="no")
    account = why_not(concluded_of(toy, findings), "clot")
    assert [f.rule.id for f in account.excluded_by] == ["no-clot"]
    assert [f.rule.id for f in account.against] == ["two-sided"]
    assert [(f.rule.id, f.outdone_by) for f in account.outdone] == [("by-cancer", "by-score")]
    assert {s.rule.id: (s.would_add, s.is_open) for s in account.silent} == {
        "by-scan": (0, False),
        "by-salt-and-stillness": (3, True),
        "by-colour": (1, True),
    }
    beside = why_not(concluded_of(toy, told(toy, cancer="yes")), "clot")
    assert {s.rule.id: s.would_add for s in beside.silent}["by-score"] == 3
    shown = text(why_not_paragraphs(account, most=1))
    assert shown.endswith("  and 2 more, no weightier")


def test_why_not_says_when_the_level_is_reached(toy: Knowledge) -> None:
    """No list of faults where there is none."""
    account = why_not(concluded_of(toy, told(toy, cancer="yes")), "clot", "possible")
    assert account.is_reached
    assert text(why_not_paragraphs(account)) == "Clot in a vein: possible, 3 points; 'possible' is reached."


def test_at_least_so_many_says_how_many_there_are_and_how_many_still_lack() -> None:
    """`at least 2 of` with one clause met shows '1 of 2 so far' and needs one more."""
    knowledge = built_in()
    findings = patient({"faintness_on_standing": "yes", "diminished_sweating": "no"}, knowledge).findings
    (lack,) = lacks(_at_least(knowledge, "amyloidosis", 2), Valuation(knowledge, findings))
    assert (lack.seen, lack.needed, lack.count, lack.so_far, lack.is_open) == (
        "1 of 2 so far",
        "at least 2 of these",
        1,
        1,
        True,
    )
    assert [(p.name, p.is_open) for p in lack.parts] == [("erectile_dysfunction", True), ("diminished_sweating", False)]


def test_what_is_needed_as_no_counts_what_is_known_no(toy: Knowledge) -> None:
    """Of clauses that must not all hold one has to be no; of three of which two must not hold, two, and those known no
    count already."""
    clauses = ("cancer", "immobile", "scan")
    valuation = Valuation(toy, told(toy, cancer="no", scan="yes"))
    (lack,) = lacks(Not(AtLeast(2, tuple(map(Is, clauses)))), valuation)
    assert (lack.seen, lack.needed, lack.count, lack.is_open) == ("1 of 2 so far", "at least 2 of these", 1, True)
    assert [(p.name, p.needed, p.is_open) for p in lack.parts] == [("immobile", "no", True), ("scan", "no", False)]
    (lack,) = lacks(Not(All(tuple(map(Is, clauses[1:])))), valuation)
    assert (lack.seen, lack.needed, lack.count) == ("", "one of these", 1)


def _at_least(knowledge: Knowledge, diagnosis: str, count: int) -> AtLeast:
    """The first `at least so many of` in what makes the diagnosis likely."""
    stack: list[Condition] = [knowledge.diagnoses[diagnosis].likely_needs]  # type: ignore[list-item]
    while stack:
        condition = stack.pop(0)
        if isinstance(condition, AtLeast) and condition.count == count:
            return condition
        stack += condition.children if isinstance(condition, (All, AnyOf, AtLeast)) else ()
    raise AssertionError(diagnosis)


@pytest.mark.parametrize("width", [40, 80])
def test_explanations_keep_to_the_width(width: int) -> None:
    """At 40 columns as at 80 no line is longer than the terminal, unless one word is, and none ends in spaces."""
    for case in (*cases_of("traps.yaml"), *cases_of("everyday.yaml"))[:12]:
        state = concluded_of(built_in(), case.findings)
        for diagnosis in built_in().order:
            shown = [*how_paragraphs(how(state, diagnosis)), *why_not_paragraphs(why_not(state, diagnosis))]
            for line in wrapped(shown, width):
                assert line == line.rstrip()
                assert len(line) <= width or len(line.split()) <= 2, line


def _logically(condition: Condition, knowledge: Knowledge, valuation: Valuation, made: Mapping[Leaf, bool]) -> Truth:
    """The truth of a condition, were these leaves so; read afresh from its definition."""

    def leaf_of(leaf: Condition) -> Truth:
        assert not isinstance(leaf, (Not, All, AnyOf, AtLeast))
        if leaf.name in knowledge.concepts:
            return _logically(knowledge.concepts[leaf.name].when, knowledge, valuation, made)
        if leaf.name in knowledge.scores:
            score = knowledge.scores[leaf.name]
            assert isinstance(leaf, Compare)
            values = [_logically(item.when, knowledge, valuation, made) for item in score.counted]
            return score_interval(score, values).compared(leaf.operator, leaf.limit)
        return made[leaf] if leaf in made else valuation.of(leaf)

    return combined(condition, leaf_of)


def _wanted(condition: Condition, knowledge: Knowledge, wanted: bool = True) -> Iterator[tuple[Leaf, bool]]:
    """The leaves over findings that a condition rests on, each with the truth that helps it; of a score that its items cannot
    bring there, or that has a group, of which only the first that holds counts, with both."""
    if isinstance(condition, Not):
        yield from _wanted(condition.child, knowledge, not wanted)
    elif isinstance(condition, (All, AnyOf, AtLeast)):
        for child in condition.children:
            yield from _wanted(child, knowledge, wanted)
    elif condition.name in knowledge.concepts:
        yield from _wanted(knowledge.concepts[condition.name].when, knowledge, wanted)
    elif condition.name in knowledge.scores:
        score = knowledge.scores[condition.name]
        assert isinstance(condition, Compare)
        more = (condition.operator in (">=", ">")) is wanted
        best = sum((i.points for i in score.items if (i.points > 0) is more), Decimal(0))
        reached = Interval(best, best).compared(condition.operator, condition.limit) is wanted
        for item in score.counted:
            for way in (True, False):
                if way is ((item.points > 0) is more) or score.one_of or not reached:
                    yield from _wanted(item.when, knowledge, way)
    else:
        yield condition, wanted


def _unmet(found: Iterable[Lack]) -> Iterator[Lack]:
    """The findings at the bottom of what is lacking, in order."""
    for lack in found:
        if lack.kind == "finding":
            yield lack
        else:
            yield from _unmet(lack.parts)


@seed(SEED)
@sampled(EXAMPLES)
@given(knowledge_texts(), patients())
def test_every_silent_rule_is_in_why_not_and_what_it_lacks_would_make_it_fire(
    texts: dict[str, str], given_findings: dict[str, str]
) -> None:
    """Exactly the rules for it that have not fired are listed, and each leaf that one lacks is not as needed; were all of
    them as needed, the rule would fire, unless what helps it in one place harms it in another."""
    knowledge = small_knowledge(texts)
    findings = patient(given_findings, knowledge).findings
    state = concluded_of(knowledge, findings)
    valuation = state.valuation
    for diagnosis in knowledge.diagnoses:
        account = why_not(state, diagnosis)
        expected = {r.id for r in knowledge.rules_of[diagnosis] if r.is_for} - set(state.conclusion(diagnosis).fired)
        assert {s.rule.id for s in account.silent} == expected
        for silent in account.silent:
            when = silent.rule.when
            assert silent.lacks
            assert silent.is_open == (valuation.of(when) is None)
            ways = set(_wanted(when, knowledge))
            made: dict[Leaf, bool] = {}
            for lack in _unmet(silent.lacks):
                assert lack.leaf is not None
                assert valuation.of(lack.leaf) is not lack.wanted
                assert lack.is_open == (valuation.of(lack.leaf) is None)
                assert (lack.leaf, lack.wanted) in ways
                made[lack.leaf] = lack.wanted
            if len({leaf for leaf, _ in ways}) == len(ways):
                assert made
                assert _logically(when, knowledge, valuation, made) is True, (when, made)


# What if -------------------------------------------------------------------------------------------------------------


def test_what_if_names_all_that_would_be_otherwise(toy: Knowledge) -> None:
    """Urgency, leading, red flags, levels with points, notes and advice, before and after."""
    before = told(toy, swelling="yes", cancer="no")
    after = told(toy, swelling="yes", cancer="yes", immobile="yes", sodium="118 mmol/L")
    changes = changed(toy, concluded_of(toy, before), concluded_of(toy, after))
    titles = {d: entry.title for d, entry in toy.diagnoses.items()}
    assert text(change_paragraphs(changes, titles)) == (
        "Urgency: ROUTINE -> EMERGENCY\n"
        "Leading: none -> Clot in a vein\n"
        "!! Red flag, EMERGENCY: Very low sodium. Do: Act.\n"
        "Clot in a vein: not assessed -> likely (+6), same day\n"
        "* Stillness. Move.\n"
        "* Advice given: Do not rub."
    )
    back = changed(toy, concluded_of(toy, after), concluded_of(toy, before))
    assert "- No longer a red flag: Very low sodium" in text(change_paragraphs(back, titles))
    assert [n.id for n in back.notes_ended] == ["still"]


def test_nothing_would_change_is_an_answer(toy: Knowledge) -> None:
    """A finding that moves nothing is said to move nothing."""
    same = changed(toy, concluded_of(toy, told(toy)), concluded_of(toy, told(toy, age="50 years")))
    assert same.is_empty
    assert text(change_paragraphs(same, {})).startswith("Nothing would change")


@seed(SEED)
@sampled(EXAMPLES)
@given(knowledge_texts(), patients(), patients())
def test_what_if_sees_every_difference_and_touches_nothing(
    texts: dict[str, str], given_before: dict[str, str], given_after: dict[str, str]
) -> None:
    """It is empty exactly when urgency, leading, flags, levels, points, notes and given advice are the same; the outcome
    before is the same afterwards."""
    knowledge = small_knowledge(texts)
    before, after = (concluded_of(knowledge, patient(g, knowledge).findings) for g in (given_before, given_after))
    kept = record("x", before)
    changes = changed(knowledge, before, after)
    assert changes.is_empty == (_visible(before) == _visible(after))
    assert record("x", before) == kept
    assert {m.diagnosis for m in changes.moved} == {d for d in knowledge.diagnoses if _level(before, d) != _level(after, d)}


def _level(state: Outcome, diagnosis: str) -> tuple[str, int, str]:
    conclusion = state.conclusion(diagnosis)
    return conclusion.level, conclusion.points, conclusion.urgency


def _visible(state: Outcome) -> object:
    return (
        state.urgency,
        state.leading,
        sorted(f.id for f, _ in state.red_flags),
        [_level(state, d) for d in state.knowledge.diagnoses],
        sorted(n.id for n, _ in state.notes),
        sorted(n.id for n in state.scope),
        sorted(a.id for a, is_given in state.advice if is_given),
    )


# The smallest change -------------------------------------------------------------------------------------------------


def in_short(found: Smallest) -> list[list[str]]:
    return [[f"{c.finding}: {c.before} -> {c.within or c.after}" for c in changes] for changes in found.sets]


def test_the_smallest_change_is_written_out(toy: Knowledge) -> None:
    """How many findings, how many such sets, and each set with what is now and what would be."""
    found = smallest_change(toy, told(toy, sex="female", sodium="140 mmol/L", swelling="yes"), "clot", "likely")
    assert text(smallest_paragraphs(found)) == (
        "The smallest change that would make it at least likely is of one finding; the\n"
        "only one:\n"
        "  1. Clot on the scan: yes (now not known)"
    )
    found = smallest_change(toy, told(toy, swelling="yes", scan="no", cancer="no"), "clot", "possible")
    assert in_short(found) == [["scan: no -> yes"]]
    found = smallest_change(toy, told(toy, cancer="yes"), "clot", "possible")
    assert found.size == 0
    assert text(smallest_paragraphs(found)) == "Clot in a vein is possible: that is at least possible, as it stands."


def test_changes_of_what_is_unknown_come_before_those_that_contradict(toy: Knowledge) -> None:
    """Among equally small sets those that contradict least are listed first, then in a fixed order."""
    found = smallest_change(toy, told(toy, cancer="yes", immobile="no", swelling="yes", scan="no"), "clot", "unlikely")
    assert found.size == 0
    found = smallest_change(toy, told(toy, cancer="yes", immobile="yes", swelling="yes"), "clot", "unlikely")
    assert in_short(found) == [["scan: not known -> no"]]
    listed = smallest_change(toy, told(toy, cancer="yes", swelling="yes"), "clot", "likely", listed=99)
    assert in_short(listed) == [
        ["immobile: not known -> yes"],
        ["one_side: not known -> yes"],
        ["scan: not known -> yes"],
    ]


def with_rules(more: Mapping[str, Any] | None = None, /, **things: Any) -> Knowledge:
    """The toy's findings (or other `facts`) with these rules only, `concepts` where given, and more about the diagnosis."""
    facts, concepts = things.pop("facts", FACTS), things.pop("concepts", None)
    diagnosis = {
        "title": "Clot in a vein",
        "summary": "A clot",
        "rules": {id: {"title": "A rule", "source": "expert", **rule} for id, rule in things.items()},
        **(more or {}),
    }
    texts = {**TOY, "facts/all.yaml": dumped(facts), "rules/most_likely/clot.yaml": dumped(diagnosis)}
    texts["rules/concepts.yaml"] = dumped(concepts)
    if concepts is None:
        del texts["rules/concepts.yaml"]
    return small_knowledge(texts)


def test_a_contradiction_is_no_better_than_its_place_after_the_unknown() -> None:
    """One set contradicts an answer, one does not: the latter comes first, whatever the names."""
    knowledge = with_rules(**{"either": {"when": {"any": ["cancer", "immobile"]}, "then": "supports"}})
    found = smallest_change(knowledge, told(knowledge, cancer="no"), "clot", "possible")
    assert in_short(found) == [["immobile: not known -> yes"], ["cancer: no -> yes"]]
    assert found.count == 2 and found.is_counted


def test_each_set_of_changes_is_met_once() -> None:
    """Two changes in either order are one set: the search itself gives no set twice."""
    rules = {name: {"when": name, "then": "supports"} for name in ("cancer", "immobile", "scan", "swelling")}
    knowledge = with_rules(**{f"by-{name}": rule for name, rule in rules.items()})
    raw = _Search(knowledge, told(knowledge), "clot", "likely").solutions(2, 1000)
    assert len(raw) == 6 == len({frozenset(name for name, _ in pairs) for pairs in raw})


def test_a_gate_that_closes_answers_with_no() -> None:
    """What must be no is so, too, once its question no longer arises."""
    knowledge = with_rules(**{"not-one-sided": {"when": "not one_side", "then": "supports"}})
    found = smallest_change(knowledge, told(knowledge), "clot", "possible")
    assert in_short(found) == [["one_side: not known -> no"], ["swelling: not known -> no"]]


def test_a_gate_that_is_no_longer_closed_leaves_its_question_open() -> None:
    """What a closed gate makes no is undone by one change of what the gate asks for, without an answer to the question."""
    rules = {
        "not-one-sided": {"when": "not one_side", "then": "establishes"},
        "seen": {"when": "scan", "then": "excludes", "scope": "everyone"},
    }
    side = _finding("Swelling of one leg only", ask_when={"all": ["cancer", "immobile"]}, when_closed="no")
    knowledge = with_rules(**rules, facts={**FACTS, "one_side": side})
    found = smallest_change(knowledge, told(knowledge, cancer="no", scan="yes"), "clot", "excluded")
    assert in_short(found) == [["cancer: no -> yes"]]


def test_what_serves_two_conditions_is_changed_once() -> None:
    """Two conditions that each take the same two changes take two together."""
    both = [{"all": ["cancer", "immobile"]}, {"at least 2 of": ["cancer", "immobile", "scan"]}]
    knowledge = with_rules(**{"both": {"when": {"all": both}, "then": "supports"}})
    found = smallest_change(knowledge, told(knowledge), "clot", "possible")
    assert in_short(found) == [["cancer: not known -> yes", "immobile: not known -> yes"]]


def test_a_score_is_undone_at_its_lower_end() -> None:
    """A rule against fires at 2 of up to 4 points: one point less is enough, though open items could bring it back; and an
    item that is a concept need not be known no, only no longer be yes."""
    points = {"cancer": "1", "ill": "1", "scan": "1", "swelling": "1"}
    score = {"points_table": {"title": "Points", "source": "expert", "points": points}}
    against = {"when": "points_table >= 2 points", "then": "strongly opposes"}
    concept = {"ill": {"title": "Ill", "when": {"any": ["immobile", "one_side"]}, "source": "expert"}}
    rules = {"by-score": against, "old": {"when": "age >= 50 years", "then": "strongly supports"}}
    knowledge = with_rules({"scores": score}, **rules, concepts=concept)
    findings = told(knowledge, age="60 years", cancer="yes", immobile="yes")
    assert in_short(smallest_change(knowledge, findings, "clot", "possible")) == [
        ["cancer: yes -> no"],
        ["immobile: yes -> no"],
    ]


def test_needs_can_be_what_gives_way() -> None:
    """What establishes rests on age, which is fixed: it is excluded once what it needs is not there."""
    rules = {
        "old": {"when": "age >= 50 years", "then": "establishes"},
        "clear": {"when": "not scan", "then": "excludes", "scope": "everyone"},
    }
    knowledge = with_rules({"needs": "cancer"}, **rules)
    found = smallest_change(knowledge, told(knowledge, age="60 years", cancer="yes"), "clot", "excluded")
    assert in_short(found) == [["cancer: yes -> no", "scan: not known -> no"]]


def test_what_is_fixed_is_never_proposed() -> None:
    """An age limit stands in the way: known or not, age is not changed, and neither is sex."""
    knowledge = with_rules(**{"old-and-ill": {"when": {"all": ["age >= 50 years", "cancer"]}, "then": "supports"}})
    for given_findings in ({"age": "40 years"}, {}):
        found = smallest_change(knowledge, told(knowledge, **given_findings), "clot", "possible")
        assert found.size is None
        assert text(smallest_paragraphs(found)) == "No change of up to four findings would make it at least possible."
    assert in_short(smallest_change(knowledge, told(knowledge, age="60 years"), "clot", "possible")) == [
        ["cancer: not known -> yes"]
    ]


def test_a_closed_gate_must_open_first() -> None:
    """A finding whose question does not arise becomes yes only together with what its gate asks for; a gate does not close
    over an answer that would then make no sense."""
    knowledge = with_rules(
        **{"one-sided": {"when": "one_side", "then": "supports"}, "flat": {"when": "not swelling", "then": "opposes"}}
    )
    opened = smallest_change(knowledge, told(knowledge, swelling="no"), "clot", "possible")
    assert in_short(opened) == [["one_side: no -> yes", "swelling: no -> yes"]]
    closed = smallest_change(knowledge, told(knowledge, swelling="yes", one_side="yes"), "clot", "unlikely")
    assert in_short(closed) == [["one_side: yes -> no", "swelling: yes -> no"]]
    locked = with_rules(**{"with-child": {"when": "pregnant", "then": "supports"}})
    assert smallest_change(locked, told(locked, sex="male"), "clot", "possible").size is None


def test_no_change_is_proposed_that_cannot_hold_together() -> None:
    """Swelling of one leg only becomes yes only where that of both legs becomes no."""
    knowledge = with_rules(**{"one-sided": {"when": "one_side", "then": "supports"}})
    found = smallest_change(knowledge, told(knowledge, swelling="yes", both_sides="yes"), "clot", "possible")
    assert in_short(found) == [["both_sides: yes -> no", "one_side: not known -> yes"]]


def test_a_derived_quantity_changes_with_its_inputs() -> None:
    """One input is moved where the other is known; both where neither is; a difference that is only stated is restated."""
    knowledge = with_rules(**{"larger": {"when": "calf_difference >= 3 cm", "then": "supports"}})
    one = smallest_change(knowledge, told(knowledge, left_calf="36 cm", right_calf="36 cm"), "clot", "possible", listed=9)
    assert sorted(in_short(one)) == [["left_calf: 36 cm -> 33 cm"], ["right_calf: 36 cm -> 33 cm"]]
    both = smallest_change(knowledge, told(knowledge), "clot", "possible")
    assert [sorted(c.finding for c in s) for s in both.sets] == [["left_calf", "right_calf"]]
    stated = smallest_change(knowledge, told(knowledge, calf_difference="2 cm"), "clot", "possible")
    assert in_short(stated) == [["calf_difference: 2 cm -> 3 cm or more"]]


def test_rounding_of_what_is_derived_is_made_use_of() -> None:
    """An index of 0.904 is 0.90 after rounding, so the pressure falls no further than that."""
    ratio = _amount("Index", "ratio", "2", "0 to 5", derived={"ratio": ["left_calf", "right_calf"]})
    knowledge = with_rules(
        **{"low": {"when": "index_of_calves <= 0.9 ratio", "then": "supports"}}, facts={**FACTS, "index_of_calves": ratio}
    )
    found = smallest_change(knowledge, told(knowledge, left_calf="50 cm", right_calf="50 cm"), "clot", "possible")
    assert in_short(found) == [["left_calf: 50 cm -> 45.2 cm"], ["right_calf: 50 cm -> 55.3 cm"]]


def test_a_quantity_is_moved_no_further_than_it_must() -> None:
    """To the nearest value, with all the values that would do as well; the laboratory's own interval counts."""
    rule = {
        "low": {"when": "sodium below range", "then": "supports"},
        "lower": {"when": "sodium < 120 mmol/L", "then": "opposes"},
    }
    knowledge = with_rules(**rule)
    found = smallest_change(knowledge, told(knowledge, sodium="141 mmol/L (138 to 150)"), "clot", "possible")
    assert in_short(found) == [["sodium: 141 mmol/L (138 to 150) -> 120 to 137 mmol/L"]]
    assert found.sets[0][0].after == "137 mmol/L"


def test_a_level_that_no_rule_gives_is_said_to_be_out_of_reach() -> None:
    """Without a rule that excludes, nothing is searched for."""
    knowledge = with_rules(**{"one-sided": {"when": "one_side", "then": "supports"}})
    found = smallest_change(knowledge, told(knowledge), "clot", "excluded")
    assert found.size is None and found.no_rule
    assert "no rule of its own could exclude it" in " ".join(text(smallest_paragraphs(found)).split())


def test_contradictory_is_neither_likely_nor_excluded(toy: Knowledge) -> None:
    """A diagnosis that is both established and excluded is brought to either by undoing the other."""
    assert not reaches("contradictory", "likely") and not reaches("contradictory", "excluded")
    assert reaches("established", "likely") and not reaches("possible", "likely")
    assert reaches("excluded", "unlikely") and not reaches("unlikely", "excluded")


def test_fixed_takes_only_yes_and_changes_nothing_else() -> None:
    """`fixed: no` is a fault at its place; with and without the key every outcome is the same."""
    texts = {**TOY, "facts/all.yaml": TOY["facts/all.yaml"].replace("fixed: 'yes'", "fixed: 'no'", 1)}
    _, problems = from_texts(texts, Problems())
    assert [(p.code, p.place.file) for p in problems.errors] == [("unknown-word", "facts/all.yaml")]
    knowledge = built_in()
    assert sorted(f.name for f in knowledge.findings.values() if f.fixed) == ["age", "sex"]
    loose = replace(knowledge, findings={n: replace(f, fixed=False) for n, f in knowledge.findings.items()})
    for case in cases_of("traps.yaml")[:5]:
        assert record("x", concluded_of(knowledge, case.findings)) == record("x", concluded_of(loose, case.findings))


# Against brute force -------------------------------------------------------------------------------------------------

_GRID = tuple(Decimal(n) for n in ("-40", "-2", "-1", *map(str, range(12)), "1.9", "2.1", "4.9", "5.1", "60"))


def _options(knowledge: Knowledge, findings: Findings, name: str) -> list[Answer]:
    finding = knowledge.findings[name]
    now = findings.get(name)
    if finding.scale is not None:
        reference = now.reference if now is not None else finding.scale.reference
        return [Answer(quantity=Interval(v, v), reference=reference) for v in _GRID]
    if finding.choices:
        return [Answer(choice=c) for c, _ in finding.choices if now is None or now.choice != c]
    return [Answer(truth=t) for t in (True, False) if now is None or now.truth is not t]


def _doubtful(valuation: Valuation) -> set[str]:
    gates = {n: valuation.knowledge.findings[n].ask_when for n in valuation.findings}
    return {
        n
        for n, gate in gates.items()
        if gate is not None and valuation.findings[n].truth is not False and valuation.of(gate) is False
    }


def _level_with(knowledge: Knowledge, findings: Findings, diagnosis: str, changes: Mapping[str, Answer]) -> str:
    """The level with these changes; '' where no patient can have them."""
    after = with_derived({**findings, **changes}, knowledge)
    if after is None:
        return ""
    valuation = Valuation(knowledge, after)
    doubts = _doubtful(valuation)
    if doubts & set(changes) or doubts - _doubtful(Valuation(knowledge, findings)):
        return ""
    return weigh(knowledge, knowledge.diagnoses[diagnosis], standing(knowledge, valuation, diagnosis)).level


def _all_changes(knowledge: Knowledge, findings: Findings, size: int) -> Iterator[dict[str, Answer]]:
    names = [n for n, f in knowledge.findings.items() if f.scale is None or f.scale.derived is None or n in findings]
    names = [n for n in names if n not in findings or not findings[n].derived]
    options = {n: _options(knowledge, findings, n) for n in names}
    for chosen in itertools.combinations(names, size):
        for answers in itertools.product(*(options[n] for n in chosen)):
            yield dict(zip(chosen, answers, strict=True))


def _changed_findings(knowledge: Knowledge, findings: Findings, changes: Iterable[Change]) -> Findings | None:
    """The findings with these changes made and derived quantities worked out anew, those that are stated as well as known
    among them; None when no patient can have them."""

    def follows(name: str) -> bool:
        scale = knowledge.findings[name].scale
        inputs = scale.derived.inputs if scale is not None and scale.derived is not None else ()
        known = [findings[n].quantity for n in inputs if n in findings]
        return bool(inputs) and len(known) == len(inputs) and all(q is not None and q.exact is not None for q in known)

    kept = {n: a for n, a in findings.items() if not follows(n)}
    return with_derived({**kept, **{c.finding: c.answer for c in changes}}, knowledge)


@seed(SEED)
@sampled(max(40, EXAMPLES // 2))
@given(knowledge_texts(), patients(), st.sampled_from(AIMS), st.sampled_from(["alpha", "beta", "gamma"]), st.booleans())
def test_the_smallest_change_is_smallest_and_complete(
    texts: dict[str, str], given_findings: dict[str, str], aim: str, diagnosis: str, stated: bool
) -> None:
    """Each listed set brings the diagnosis there; brute force over all sets finds none that is smaller, and of sets of yes,
    no and choices exactly the same ones."""
    knowledge = small_knowledge(texts)
    diagnosis = diagnosis if diagnosis in knowledge.diagnoses else "alpha"
    if stated and not {"level", "width"} & set(given_findings):
        given_findings = {**given_findings, "sum_of_both": "4 u"}
    findings = patient(given_findings, knowledge).findings
    found = smallest_change(knowledge, findings, diagnosis, aim, most=3, listed=10_000)
    if found.size == 0:
        assert reaches(_level_with(knowledge, findings, diagnosis, {}), aim)
        return
    for changes in found.sets:
        assert len(changes) == found.size
        assert reaches(_level_with(knowledge, findings, diagnosis, {c.finding: c.answer for c in changes}), aim)
        after = _changed_findings(knowledge, findings, changes)
        assert after is not None and reaches(infer(knowledge, after).conclusions[diagnosis].level, aim)
    assert found.count == len(found.sets)
    for size in range(1, min(found.size or 3, 3)):
        for change in _all_changes(knowledge, findings, size):
            level = _level_with(knowledge, findings, diagnosis, change)
            assert not level or not reaches(level, aim), (size, change)
    if found.size in (1, 2):
        brute = Counter(
            frozenset((n, a.truth, a.choice) for n, a in change.items())
            for change in _all_changes(knowledge, findings, found.size)
            if all(a.quantity is None for a in change.values())
            and (level := _level_with(knowledge, findings, diagnosis, change))
            and reaches(level, aim)
        )
        plain = [s for s in found.sets if all(c.answer.quantity is None for c in s)]
        assert Counter(frozenset((c.finding, c.answer.truth, c.answer.choice) for c in s) for s in plain) == brute


def test_on_the_built_in_knowledge_each_listed_change_does_what_it_says() -> None:
    """Over cases of every file, diagnoses and levels: the changed patient can exist, concludes at the level, has no new
    doubtful answer, and the change touches nothing fixed."""
    knowledge = built_in()
    for name in ("traps.yaml", "everyday.yaml", "peripheral_artery_disease.yaml"):
        for case in cases_of(name)[:2]:
            for diagnosis, aim in itertools.product(knowledge.order, AIMS):
                for changes in smallest_change(knowledge, case.findings, diagnosis, aim).sets:
                    after = _changed_findings(knowledge, case.findings, changes)
                    assert after is not None, (case.name, diagnosis, aim)
                    assert reaches(infer(knowledge, after).conclusions[diagnosis].level, aim), (case.name, changes)
                    assert _doubtful(Valuation(knowledge, after)) <= _doubtful(Valuation(knowledge, case.findings))
                    assert not any(knowledge.findings[c.finding].fixed for c in changes)


# The command ---------------------------------------------------------------------------------------------------------


def test_explain_shows_how_a_supported_diagnosis_was_reached() -> None:
    """The tree, then in one line what --to gives."""
    done = crampdx("explain", EXAMPLE, "pad")
    assert done.exit_code == 0
    assert "Poor circulation (peripheral artery disease, PAD): likely, 9 points\n  For it:\n" in done.output
    assert "  (+) An age of 65 or more by itself is weak support (weakly supports;\n" in done.output
    assert "--to likely (or established," in done.output
    assert "have not fired" not in done.output


def test_explain_shows_why_an_unsupported_diagnosis_was_not_reached() -> None:
    """What each silent rule lacks, and no tree."""
    done = crampdx("explain", EXAMPLE, "hypothyroidism")
    assert done.exit_code == 0
    assert "Hypothyroidism (medical conditions): not assessed, 0 points; not likely" in done.output
    assert "    ? Delayed relaxation of the ankle reflex: not known, needed yes\n" in done.output


def test_explain_gives_the_smallest_change() -> None:
    """After the explanation, for the level asked for; and says so where it is reached already."""
    done = crampdx("explain", EXAMPLE, "deep_vein_thrombosis", "--to", "excluded")
    assert "The smallest change that would make it excluded is of one finding; the only one:\n" in done.output
    assert "  1. Deep vein clot on whole-leg vein ultrasound: no (now not known)\n" in done.output
    reached = crampdx("explain", EXAMPLE, "pad", "--to", "possible")
    assert "(peripheral artery disease, PAD) is likely: that is at least" in reached.output


def test_explain_as_data() -> None:
    """One document with version, knowledge and the explanation; problems of a case that cannot be read stand in it."""
    done = crampdx("explain", EXAMPLE, "sarcoidosis", "--to", "likely", "--format", "json")
    document = json.loads(done.stdout)
    assert {"schema_version", "version", "knowledge", "case", "explained", "why_not", "smallest_change"} <= set(document)
    assert document["explained"]["id"] == "sarcoidosis" and document["why_not"]["aim"] == "likely"
    assert document["smallest_change"]["size"] == len(document["smallest_change"]["changes"][0])
    broken = crampdx("explain", "-", "sarcoidosis", "--format", "json", input="given:\n  nonsense: yes\n")
    assert broken.exit_code == 4
    assert [p["code"] for p in json.loads(broken.stdout)["problems"]] == ["unknown-finding"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((EXAMPLE, "hypothroidism"), "did you mean 'hypothyroidism'?"),
        ((EXAMPLE, "compartment"), "may be any of: chronic_exertional_compartment_syndrome, compartment_syndrome"),
        ((EXAMPLE, "wells_dvt", "--to", "likely"), "is no diagnosis"),
        ((EXAMPLE, "pad", "--to", "certain"), "'certain' is not one of"),
        ((str(ROOT / "tests" / "cases" / "traps.yaml"), "pad"), "say which with --case NAME"),
    ],
)
def test_explain_says_what_it_cannot_take(arguments: tuple[str, ...], said: str) -> None:
    """A wrong name, level or file of several cases is a fault of usage, with a way out."""
    done = crampdx("explain", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_explain_takes_one_case_of_several_and_standard_input(tmp_path: Path) -> None:
    """`--case` names the case; `-` is standard input; a knowledge base of one's own is read."""
    chosen = cases_of("traps.yaml")[1]
    done = crampdx("explain", str(ROOT / "tests" / "cases" / "traps.yaml"), "pad", "--case", chosen.name)
    assert done.exit_code == 0 and done.output.startswith(chosen.name[:60])
    for name, content in TOY.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    own = crampdx("explain", "-", "clot", "--knowledge", str(tmp_path), input="given:\n  cancer: yes\n")
    assert own.exit_code == 0 and "Clot in a vein: possible, 3 points" in own.output


def test_levels_that_can_be_asked_for_are_those_that_can_be_searched_for() -> None:
    """The command offers exactly the levels that the search knows."""
    done = crampdx("explain", "--help")
    assert f"[{'|'.join(AIMS)}]" in done.output
    assert set(AIMS) & set(AT_LEAST_POSSIBLE) == {"established", "likely", "possible"}
