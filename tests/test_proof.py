"""`crampdx check --prove`: defects that no single rule shows, guarantees proved and refuted, and the built-in knowledge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from planted import BASE, CLOT, GUARANTEES, GUARDED, OF_PROOF, STRONG, Planted, Texts, edited, guarantee, marked, written

from crampdx.cli import BAD_KNOWLEDGE, DONE, FINDINGS, main
from crampdx.engine.authoring.mutation import mutants_of
from crampdx.engine.authoring.proof import proof_lines, proof_record, prove
from crampdx.engine.knowledge.guarantees import read_guarantees
from crampdx.engine.knowledge.loader import from_texts
from crampdx.engine.knowledge.problems import Problem, Problems
from crampdx.engine.proof.asked import Asked, Undecided
from crampdx.engine.proof.guarding import NOT_DECIDED, PROVED, REFUTED, judged
from crampdx.engine.proof.reach import Prover, clashes, never_fires, urgency_falls


def proved(texts: Texts) -> tuple[Problem, ...]:
    """What the proof finds; the knowledge base itself must be sound."""
    knowledge, problems = from_texts(texts, Problems())
    assert knowledge is not None
    assert not problems.errors
    told = Problems()
    guarantees = read_guarantees(texts.get(GUARANTEES, ""), GUARANTEES, knowledge, told)
    assert not told.found
    return prove(knowledge, guarantees).problems


@pytest.mark.parametrize("planted", OF_PROOF, ids=lambda planted: f"{planted.code}-{planted.name.replace(' ', '-')}")
def test_a_planted_defect_is_proved_where_it_is(planted: Planted) -> None:
    """With its code and its place, and nothing else; its clean twin is silent."""
    twin = edited(BASE, planted.before)
    assert [p.headline() for p in proved(twin) if p.code in (planted.code, *planted.also)] == []
    texts, place = marked(edited(twin, planted.edits))
    found = proved(texts)
    assert (planted.code, place) in {(p.code, str(p.place)) for p in found}, [p.headline() for p in found]


def test_urgency_that_falls_without_evidence_against_is_found() -> None:
    """The reader of the files refuses such a diagnosis; the proof does not rely on that."""
    knowledge, _ = from_texts(BASE, Problems())
    assert knowledge is not None
    assert not list(urgency_falls(knowledge))
    clot = replace(knowledge.diagnoses["clot"], urgency=(("possible", "emergency"), ("likely", "soon")))
    worse = replace(knowledge, diagnoses={**knowledge.diagnoses, "clot": clot})
    assert [p.code for p in urgency_falls(worse)] == ["urgency-falls", "urgency-falls"]  # emergency, and same day


def test_the_sound_base_is_silent() -> None:
    """So that a defect is found for what it is, and not for something beside it."""
    assert [p.headline() for p in proved(edited(BASE, (STRONG, GUARDED)))] == []


def test_a_counterexample_is_a_case_that_fails(tmp_path: Path) -> None:
    """It can be read, it is as small as can be, and `crampdx test` shows what comes out instead."""
    base = edited(BASE, (STRONG, GUARDED, (GUARANTEES, "potassium < 3 mmol/L", "potassium < 3.6 mmol/L")))
    folder = written(base, tmp_path / "base")
    result = run("check", "--prove", "--knowledge", str(folder), "--write", str(tmp_path / "against.yaml"))
    assert result.exit_code == BAD_KNOWLEDGE
    assert "guarantee-refuted" in result.stdout
    assert "refuted: potassium-low: urgency at least emergency" in result.stdout
    text = (tmp_path / "against.yaml").read_text(encoding="utf-8")
    assert "potassium: 3.5 mmol/L" in text
    assert text.count(": ") == 5, text  # case, from, about, one finding, one expectation
    tested = run("test", str(tmp_path / "against.yaml"), "--knowledge", str(folder))
    assert tested.exit_code == FINDINGS
    assert "urgency: expected at least emergency, got routine" in tested.stdout


def test_a_proved_guarantee_names_what_it_would_notice() -> None:
    """For each, a change of the knowledge under which the same guarantee is refuted."""
    texts = edited(BASE, (STRONG, GUARDED))
    knowledge, _ = from_texts(texts, Problems())
    assert knowledge is not None
    guarantees = read_guarantees(texts[GUARANTEES], GUARANTEES, knowledge, Problems())
    for number, given in enumerate(guarantees):
        verdict = judged(Prover(knowledge), given, mutants_of)
        assert verdict.verdict == PROVED
        for change in verdict.broken_by:
            changed = change.apply(knowledge)
            assert judged(Prover(changed), guarantees[number], mutants_of).verdict == REFUTED
        assert verdict.broken_by


def test_a_pair_that_can_contradict_itself_is_listed_and_no_problem() -> None:
    texts = edited(BASE, (STRONG, (CLOT, "  clot-by-score:", SEEN + "  clot-by-score:")))
    knowledge, _ = from_texts(texts, Problems())
    assert knowledge is not None
    (clash,) = clashes(Prover(knowledge))
    assert (clash.establishes.id, clash.excludes.id) == ("clot-by-colour", "clot-not-seen")
    assert clash.patient is not None
    assert dict(clash.patient) == {"calf_redness": "yes", "calf_swelling": "yes", "clot_seen": "no"}
    assert not proved(texts)


SEEN = "  clot-by-colour:\n    title: T\n    when: calf_redness\n    then: establishes\n    source: expert\n"


def test_what_is_not_decided_in_time_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never proved, and never a fault of the knowledge."""

    def gives_up(*wanted: object) -> None:
        raise Undecided("timeout")

    knowledge, _ = from_texts(edited(BASE, (STRONG, (CLOT, "  clot-by-score:", SEEN + "  clot-by-score:"))), Problems())
    assert knowledge is not None
    prover = Prover(knowledge)
    monkeypatch.setattr(Asked, "model", lambda self, *wanted, **limits: gives_up())
    assert {p.code for p in never_fires(prover)} == {"not-decided"}
    (given,) = read_guarantees(guarantee("g", "calf_pain", "urgency at least soon"), GUARANTEES, knowledge, Problems())
    assert judged(prover, given, mutants_of).verdict == NOT_DECIDED
    proofs = prove(knowledge, (given,))
    assert [clash.patient for clash in proofs.clashes] == [None]
    assert "not decided in time, whether clot-by-colour and clot-not-seen can establish and exclude at once" in proof_lines(
        proofs
    )
    assert proof_record(proofs)["establish_and_exclude"][0]["patient"] is None


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("- a\n", "1:1: error[not-a-mapping]: guarantees must be a mapping of 'id: ...' entries"),
        ("g:\n  title: T\n", "2:3: error[missing-key]: guarantee 'g' has no 'hazard'"),
        ("g:\n  titel: T\n", "2:3: error[unknown-key]: guarantee 'g' has no key 'titel'"),
        (guarantee("G_1", "calf_pain", "urgency at least soon"), "1:1: error[name-style]: 'G_1' is not kebab-case"),
        (guarantee("g", "calf_pian", "urgency at least soon"), "4:13: error[unknown-name]: no finding, concept or score is called 'calf_pian'"),
        (guarantee("g", "calf_pain", "clot is possible"), "5:9: error[not-a-promise]: 'clot is possible' promises nothing"),
        (guarantee("g", "calf_pain", "clott at least likely"), "5:9: error[unknown-promise]: no diagnosis is called 'clott'"),
        (guarantee("g", "calf_pain", "clot at least sure"), "5:9: error[unknown-promise]: no level is called 'sure'"),
        (guarantee("g", "calf_pain", "urgency at least high"), "5:9: error[unknown-promise]: no urgency is called 'high'"),
        (guarantee("g", "calf_pain", "advice rest withheld"), "5:9: error[unknown-promise]: no advice is called 'rest'"),
        (guarantee("g", "calf_pain", "red flag low fires"), "5:9: error[unknown-promise]: no red flag is called 'low'"),
    ],
)  # fmt: skip
def test_a_malformed_guarantee_is_told_with_its_place(text: str, headline: str, tmp_path: Path) -> None:
    """By `check` alone, without a proof."""
    folder = written({**BASE, GUARANTEES: text}, tmp_path / "base")
    result = run("check", "--knowledge", str(folder))
    assert result.exit_code == BAD_KNOWLEDGE
    assert f"guarantees.yaml:{headline}" in result.stdout


def test_the_same_id_twice_is_told(tmp_path: Path) -> None:
    twice = guarantee("g", "calf_pain", "clot at least excluded") * 2
    result = run("check", "--knowledge", str(written({**BASE, GUARANTEES: twice}, tmp_path / "base")))
    assert result.exit_code == BAD_KNOWLEDGE
    assert "guarantees.yaml:6:1: error[" in result.stdout


def test_guarantees_are_no_part_of_the_knowledge() -> None:
    """They change neither its hash nor what any other command reads."""
    without, _ = from_texts(BASE, Problems())
    held, problems = from_texts({**BASE, GUARANTEES: "nonsense: ["}, Problems())
    assert not problems.errors
    assert without is not None
    assert held is not None
    assert without.hash == held.hash


def test_the_proofs_as_data(tmp_path: Path) -> None:
    base = edited(BASE, (STRONG, GUARDED))
    result = run("check", "--prove", "--format", "json", "--knowledge", str(written(base, tmp_path / "base")))
    assert result.exit_code == DONE
    document = json.loads(result.stdout)
    assert [entry["verdict"] for entry in document["guarantees"]] == [PROVED] * 3
    assert document["guarantees"][0]["would_notice"][0]["id"].startswith("low-potassium:")
    assert document["establish_and_exclude"] == []


def test_every_guarantee_of_the_built_in_knowledge_is_proved() -> None:
    """No proof finds anything but what a comment gives a reason for, and there are at least 25 guarantees."""
    result = run("check", "--prove", "--strict", "--format", "json")
    document = json.loads(result.stdout)
    assert document["problems"] == []
    assert result.exit_code == DONE
    assert len(document["guarantees"]) >= 25
    assert {entry["verdict"] for entry in document["guarantees"]} == {PROVED}
    assert all(entry["would_notice"] and entry["hazard"] for entry in document["guarantees"])
    assert not counterexamples_of(document)


def counterexamples_of(document: dict[str, list[dict[str, object]]]) -> list[object]:
    return [entry["counterexample"] for entry in document["guarantees"] if entry["counterexample"] is not None]


def run(*arguments: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(main, arguments)
