"""Diagnoses of exclusion: decided after all else, and only once nothing else is found."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from planted import written

from crampdx.cli import main
from crampdx.engine.authoring.mutation import mutants_of
from crampdx.engine.inference.bounds import BELOW, CLASSES, Horizon, View
from crampdx.engine.inference.explanation import how, why_not
from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.model import Knowledge

from small_worlds import dumped, patient, small_knowledge

A_THING = {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient"}
NAMES = ("nightly", "for_years", "ache", "red", "fever", "numb")


def rule(when: object, then: str) -> dict[str, object]:
    return {"title": "A rule", "when": when, "then": then, "source": "expert"}


TEXTS = {
    "facts/all.yaml": dumped({name: {**A_THING, "title": name.replace("_", " ").title()} for name in NAMES}),
    "rules/weighing.yaml": dumped(
        {"points": {"weak": 1, "moderate": 3, "strong": 6}, "levels": {"possible": 3, "likely": 6, "unlikely": -3}}
    ),
    "rules/document.yaml": dumped(
        {
            tier: {"heading": tier, "diagnoses": ["gout"] if tier == "most_likely" else []}
            for tier in ("most_likely", "other_likely", "do_not_miss", "rare")
        }
    ),
    "rules/concepts.yaml": dumped({"feverish": {"title": "Feverish", "when": "fever", "source": "expert"}}),
    "rules/red_flags.yaml": dumped(
        {"numbness": {"title": "Numb", "when": "numb", "urgency": "routine", "action": "Look", "source": "expert"}}
    ),
    "rules/interview.yaml": dumped({"all": {"title": "All", "panels": [{"title": "All", "findings": list(NAMES)}]}}),
    "rules/most_likely/gout.yaml": dumped(
        {
            "title": "Gout",
            "summary": "G",
            "rules": {"gout-ache": rule("ache", "strongly supports"), "gout-not-red": rule("not red", "opposes")},
        }
    ),
    "rules/other_likely/cramps.yaml": dumped(
        {
            "title": "Night cramps",
            "summary": "Cramps at night of no known cause",
            "origin": "beyond",
            "kind": "exclusion",
            "needs_no": ["feverish", "red"],
            "advice": {"stretch": {"text": "Stretch.", "withheld": "W", "source": "expert"}},
            "rules": {"cramps-nightly": rule("nightly", "strongly supports")},
        }
    ),
}
NOTHING_ELSE = {"nightly": "yes", "fever": "no", "red": "no"}


@cache
def world() -> Knowledge:
    return small_knowledge(TEXTS)


def concluded(**given: str) -> Outcome:
    findings = patient(given, world()).findings
    return outcome(world(), findings, infer(world(), findings))


@pytest.mark.parametrize(
    ("given", "level", "could_reach", "barred_by"),
    [
        ({}, "not assessed", "likely", ()),
        ({"nightly": "yes"}, "possible", "likely", ()),
        ({"nightly": "yes", "fever": "no"}, "possible", "likely", ()),
        (NOTHING_ELSE, "likely", "likely", ()),
        ({**NOTHING_ELSE, "fever": "yes"}, "not supported", "not supported", ("feverish",)),
        ({"nightly": "yes", "fever": "yes"}, "not supported", "not supported", ("feverish",)),
        # a red flag counts, however little is urgent about it; that it is open does not
        ({**NOTHING_ELSE, "numb": "yes"}, "not supported", "not supported", ("numbness",)),
        # another diagnosis is likely, until something speaks against it
        ({"nightly": "yes", "ache": "yes"}, "not supported", "likely", ("gout",)),
        ({"nightly": "yes", "ache": "yes", "red": "no"}, "possible", "likely", ()),
        ({"nightly": "yes", "ache": "yes", "red": "yes"}, "not supported", "not supported", ("red", "gout")),
        # what bars it lifts nothing that is below already
        ({"nightly": "no", "fever": "yes"}, "not supported", "not supported", ("feverish",)),
    ],
)
def test_it_is_decided_after_all_else(
    given: dict[str, str], level: str, could_reach: str, barred_by: tuple[str, ...]
) -> None:
    conclusion = concluded(**given).conclusion("cramps")
    assert (conclusion.level, conclusion.could_reach, conclusion.barred_by) == (level, could_reach, barred_by)
    findings = patient(given, world()).findings
    assert Reasoner(world()).conclude(findings).conclusion("cramps") == conclusion


def test_another_of_exclusion_bars_it_not() -> None:
    """Two of exclusion may both be likely; neither waits for the other."""
    again = {**TEXTS, "rules/rare/more.yaml": TEXTS["rules/other_likely/cramps.yaml"].replace("cramps-", "more-")}
    again["rules/rare/more.yaml"] = again["rules/rare/more.yaml"].replace("stretch", "bend")
    knowledge = small_knowledge(again)
    conclusions = infer(knowledge, patient(NOTHING_ELSE, knowledge).findings).conclusions
    assert conclusions["cramps"].level == conclusions["more"].level == "likely"


def test_what_may_still_become_of_it() -> None:
    """Bounds: below likely once something is found; while something may be, anything."""
    horizon = Horizon(world())

    def reach(**given: str) -> set[str]:
        findings = patient(given, world()).findings
        view = View(horizon, findings, frozenset(NAMES) - findings.keys())
        return {CLASSES[c] for c in view.reach("cramps").classes}

    assert reach() == {"likely", "possible", CLASSES[BELOW]}
    assert reach(numb="yes", nightly="yes") == {CLASSES[BELOW]}
    assert reach(**NOTHING_ELSE, numb="no", ache="no") == {"likely"}
    assert reach(**NOTHING_ELSE, numb="no") == {"likely"}  # for gout is opposed
    assert reach(nightly="yes", fever="no", numb="no", ache="no") == {"likely", "possible", CLASSES[BELOW]}


def test_it_is_explained() -> None:
    """What is found, or is not yet excluded, with its title."""
    barred = concluded(nightly="yes", ache="yes", numb="yes", fever="yes")
    account = how(barred, "cramps")
    assert [(b.kind, b.id) for b in account.barred_by] == [
        ("concept", "feverish"),
        ("red flag", "numbness"),
        ("diagnosis", "gout"),
    ]
    open_yet = concluded(nightly="yes")
    (cap,) = why_not(open_yet, "cramps", "likely").caps
    assert (cap.kind, cap.at_most, [lack.name for lack in cap.lacks]) == ("needs_no", "possible", ["feverish", "red"])
    line = next(line for line in open_yet.lines if line.conclusion.diagnosis == "cramps")
    assert line.missing == ("fever", "red")
    assert not why_not(open_yet, "cramps", "possible").caps


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return written(TEXTS, tmp_path)


CASES = """\
- case: nothing else
  given:
    nightly: yes
    fever: no
    red: no
  expect:
    cramps: likely
- case: feverish
  same_as: nothing else
  given:
    fever: yes
  expect:
    cramps: not supported
    stretch: silent
"""


def run(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, [*arguments, "--knowledge", str(folder)], env={"COLUMNS": "120"})
    assert result.exit_code in (0, 1), result.output
    return result.output


def test_reports_say_why(folder: Path) -> None:
    case = folder / "case.yaml"
    case.write_text("given:\n  nightly: yes\n", encoding="utf-8")
    said = " ".join(run(folder, "diagnose", str(case)).split())
    assert "a diagnosis of exclusion: at most possible until this is known to be absent: feverish; red" in said
    case.write_text("given:\n  nightly: yes\n  numb: yes\n", encoding="utf-8")
    said = " ".join(run(folder, "diagnose", str(case)).split())
    assert "a diagnosis of exclusion: not supported while something else is found (numb)" in said
    document = json.loads(run(folder, "diagnose", str(case), "--format", "json"))
    lines = {line["diagnosis"]: line for line in document["cases"][0]["differential"]}
    assert lines["cramps"]["barred_by"] == ["numbness"]
    said = " ".join(run(folder, "explain", str(case), "cramps").split())
    assert "Numb (red flag; numbness)" in said


def test_cases_notice_what_is_left_out_of_the_list(folder: Path) -> None:
    """Each name of `needs_no` can be dropped by a mutant; the case that has it notices."""
    ids = [mutant.id for mutant in mutants_of(world(), "cramps")]
    assert {"cramps:needs_no:drop:feverish", "cramps:needs_no:drop:red"} <= {*ids}
    cases = folder / "tests" / "cases"
    cases.mkdir(parents=True)
    (cases / "all.yaml").write_text(CASES, encoding="utf-8")
    document = json.loads(run(folder, "mutate", "cramps", "--cases", str(cases), "--format", "json"))
    survivors = {survivor["id"] for survivor in document["survivors"]}
    assert "cramps:needs_no:drop:feverish" not in survivors
    assert "cramps:needs_no:drop:red" in survivors


def test_a_failed_case_is_told_what_bars_it(folder: Path) -> None:
    case = folder / "wrong.yaml"
    case.write_text(
        "- case: wrong\n  given:\n    nightly: yes\n    fever: yes\n    red: no\n  expect:\n    cramps: likely\n"
    )
    said = " ".join(run(folder, "test", str(case)).split())
    assert "Feverish: found, and this is a diagnosis of exclusion" in said
    assert "what it needs no of" in said


def test_graph_handbook_and_proof(folder: Path) -> None:
    assert "needs no" in run(folder, "graph", "cramps")
    cases = folder / "cases.yaml"
    cases.write_text(CASES, encoding="utf-8")
    assert "Of exclusion, and decided after all others" in " ".join(run(folder, "reference", str(cases)).split())
    said = run(folder, "check", "--prove")
    for level in ("likely", "possible", "not supported"):
        assert f"'cramps' to the level {level}" not in said
    assert "no patient can bring 'cramps' to the level undecided" in said  # its one rule makes it possible at once
