"""`crampdx mutate`: small faults put into the knowledge, which cases notice them, and cases for those that none notices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from crampdx.cli import main
from crampdx.engine.authoring.killing import Trial
from crampdx.engine.authoring.masks import Patients, Reading, members
from crampdx.engine.authoring.mutation import ALWAYS, KINDS, Mutant, meaning, mutants_of
from crampdx.engine.authoring.recording import recorded
from crampdx.engine.authoring.regression import differences, in_an_expectation
from crampdx.engine.authoring.survivors import result_lines, tried
from crampdx.engine.authoring.witness import Equal, search
from crampdx.engine.inference.outcome import outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.cases import Case, Expectation, read_cases
from crampdx.engine.knowledge.checks import conditions_of
from crampdx.engine.knowledge.model import NOWHERE, All, AnyOf, AtLeast, Is, Knowledge, Not
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.knowledge.truth import Valuation

from at_hand import all_cases, built_in
from small_worlds import dumped, knowledge_texts, patient, patients, small_knowledge

SETTINGS = settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
A_THING = {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient"}
WIDTH = {**A_THING, "kind": "quantity", "unit": "cm", "decimals": "1", "plausible": "0 to 25"}
TEXTS = {
    "facts/all.yaml": dumped({**dict.fromkeys(("ache", "bruise", "chill"), A_THING), "width": WIDTH}),
    "rules/document.yaml": dumped(
        {
            tier: {"heading": tier, "diagnoses": ["clot"] if tier == "do_not_miss" else []}
            for tier in ("most_likely", "other_likely", "do_not_miss", "rare")
        }
    ),
    "rules/weighing.yaml": dumped(
        {"points": {"weak": 1, "moderate": 3, "strong": 6}, "levels": {"possible": 3, "likely": 6, "unlikely": -3}}
    ),
    "rules/red_flags.yaml": dumped(
        {"cold": {"title": "Cold", "when": "chill", "urgency": "same day", "action": "Act", "source": "expert"}}
    ),
    "rules/do_not_miss/clot.yaml": dumped(
        {
            "title": "Clot",
            "summary": "A clot",
            "scores": {"sum": {"title": "Sum", "source": "expert", "points": {"ache": "1", "width >= 3 cm": "2"}}},
            "rules": {
                "by-ache": {
                    "title": "Ache",
                    "when": {"all": ["ache", "not bruise"]},
                    "then": "supports",
                    "source": "expert",
                },
                "by-chill": {"title": "Chill", "when": "chill", "then": "weakly opposes", "source": "expert"},
                "by-sum": {"title": "Sum", "when": "sum >= 2 points", "then": "strongly supports", "source": "expert"},
            },
        }
    ),
}
CASES = """\
- case: aching
  from: evidence
  given:
    ache: yes
    bruise: no
    width: 2.9 cm
  expect:
    clot: possible
- case: cold
  from: recorded
  given:
    chill: yes
  expect:
    urgency: same day
- case: bruised
  given:
    ache: yes
    bruise: yes
    width: 1 cm
"""


def subjects(knowledge: Knowledge) -> list[str]:
    """All of which a mutant can change what a case could expect."""
    ids = {id for id, _, _ in conditions_of(knowledge)} | {*knowledge.diagnoses}
    return [*sorted(ids), *(n for n in knowledge.depth if n in knowledge.findings), "leading", "urgency"]


def words(knowledge: Knowledge, case: Case) -> dict[str, str]:
    """What is concluded about each, worked out by the reference."""
    concluded = outcome(knowledge, case.findings, infer(knowledge, case.findings))
    return {subject: in_an_expectation(subject, concluded) for subject in subjects(knowledge)}


def hold(knowledge: Knowledge, trial: Trial, mutant: Mutant, numbers: Sequence[int]) -> None:
    """What the mutant changes in these cases, and whether they notice, is what inference from the mutated knowledge gives."""
    changed = mutant.apply(knowledge)
    verdict = trial.verdict(mutant)
    said = trial.effect(mutant)
    for number in numbers:
        case = trial.cases[number]
        before, after = words(knowledge, case), words(changed, case)
        quick = {s: word for s, by_word in said.items() for word, cases in by_word.items() if cases >> number & 1}
        assert quick == {s: word for s, word in after.items() if word != before[s]}, (mutant.id, case.name)
        passed = not differences(case, outcome(knowledge, case.findings, infer(knowledge, case.findings)))
        failed = bool(differences(case, outcome(changed, case.findings, infer(changed, case.findings))))
        assert bool(verdict.killers >> number & 1) == (passed and failed), (mutant.id, case.name)


@seed(20261122)
@SETTINGS
@given(knowledge_texts(), st.lists(patients(), min_size=1, max_size=4))
def test_verdicts_are_those_of_inference_on_small_worlds(texts: dict[str, str], given_each: list[dict[str, str]]) -> None:
    """For every mutant of a random knowledge base, in cases that expect all that is concluded of random patients, and in the
    last of them something else."""
    knowledge = small_knowledge(texts)
    cases = []
    for number, answers in enumerate(given_each):
        case = patient(answers, knowledge)
        expected = [Expectation(s, word, NOWHERE) for s, word in words(knowledge, case).items()]
        if number == 3:
            expected = [replace(e, wanted="emergency") if e.subject == "urgency" else e for e in expected]
        cases.append(replace(case, expected=tuple(expected)))
    trial = Trial(knowledge, cases)
    for mutant in list(mutants_of(knowledge))[::5]:
        hold(knowledge, trial, mutant, range(len(cases)))


def test_verdicts_are_those_of_inference_on_the_built_in_knowledge() -> None:
    """For a sample of mutants of each kind, in cases they change and in others."""
    knowledge = built_in()
    trial = Trial(knowledge, all_cases())
    assert trial.passing == trial.patients.everyone
    by_kind: dict[str, list[Mutant]] = {kind: [] for kind in KINDS}
    for mutant in mutants_of(knowledge):
        by_kind[mutant.kind].append(mutant)
    for mutants in by_kind.values():
        for mutant in mutants[3 :: len(mutants) // 4]:
            verdict = trial.verdict(mutant)
            some = [*list(members(verdict.killers))[:1], *list(members(verdict.differing & ~verdict.killers))[:1]]
            hold(knowledge, trial, mutant, [*some, 7])


@seed(20261122)
@SETTINGS
@given(knowledge_texts(), st.lists(patients(), min_size=1, max_size=4))
def test_masks_mean_what_conditions_mean(texts: dict[str, str], given_each: list[dict[str, str]]) -> None:
    """Every condition is for every patient what `truth.py` says."""
    knowledge = small_knowledge(texts)
    cases = [patient(answers, knowledge) for answers in given_each]
    reading = Reading(Patients([case.findings for case in cases]))
    for name in knowledge.decision_order:
        reading.decide(knowledge, name)
    for number, case in enumerate(cases):
        valuation = Valuation(knowledge, case.findings)
        for _, condition, _ in conditions_of(knowledge):
            truths = reading.of(condition)
            truth = True if truths.yes >> number & 1 else False if truths.no >> number & 1 else None
            assert truth is valuation.of(condition)


def small() -> tuple[Knowledge, tuple[Case, ...]]:
    knowledge = small_knowledge(TEXTS)
    problems = Problems()
    cases = read_cases(CASES, "cases.yaml", knowledge, problems)
    assert not problems.errors
    return knowledge, cases


def test_the_operators() -> None:
    """Every fault that is put into a small knowledge base, by its id."""
    knowledge, _ = small()
    ids = {mutant.id for mutant in mutants_of(knowledge)}
    strengths = {"by-ache:strength:stronger", "by-ache:strength:weaker", "by-ache:strength:mirrored"}
    by_ache = {f"by-ache:{label}" for label in ("swap:1", "drop:1.1", "drop:1.2", "flip:2", "flip:4", "add:all", "add:any")}
    assert {id for id in ids if id.startswith("by-ache")} == by_ache | strengths
    points = {f"sum:item-{n}:{how}" for n in (1, 2) for how in ("flip:1", "more", "less", "drop")}
    limits = {f"sum:item-2:{how}:1" for how in ("up", "down", "operator")}
    assert {id for id in ids if id.startswith("sum")} == points | limits
    assert {id for id in ids if id.startswith("cold")} == {"cold:flip:1", "cold:urgency:higher", "cold:urgency:lower"}
    by_id = {mutant.id: mutant for mutant in mutants_of(knowledge)}
    assert by_id["by-ache:flip:4"].after == replace(knowledge.rules["by-ache"], when=All((Is("ache"), Is("bruise"))))
    assert by_id["by-ache:add:any"].words == "also by 'chill' alone"
    assert by_id["sum:item-2:up:1"].words == "'width >= 3.1 cm' instead of 'width >= 3 cm'"
    assert by_id["by-sum:down:1"].words == "'sum >= 1 points' instead of 'sum >= 2 points'"
    assert {mutant.kind for mutant in by_id.values()} == {"red flag", "do-not-miss rule", "score"}
    assert by_id["by-sum:down:1"].kind == "score"


def test_mutants_of_one_thing_and_of_a_diagnosis_with_all_of_its_own() -> None:
    knowledge, _ = small()
    assert {m.owner for m in mutants_of(knowledge, "by-ache")} == {"by-ache"}
    assert {m.owner for m in mutants_of(knowledge, "clot")} == {"by-ache", "by-chill", "by-sum", "sum"}
    assert not list(mutants_of(knowledge, "nothing"))


def test_who_leads_may_change_by_points_alone() -> None:
    """Two diagnoses are possible, and stay so; without its weaker rule the first comes after the other."""
    clot = {"title": "Clot", "summary": "A clot", "rules": {}}
    for_it = {"title": "Ache", "when": "ache", "then": "supports", "source": "expert"}
    more = {"title": "Bruise", "when": "bruise", "then": "weakly supports", "source": "expert"}
    own = {"by-ache": for_it, "by-bruise": more}
    others = {"other-ache": for_it, "other-width": {**for_it, "when": "width >= 1 cm", "then": "weakly supports"}}
    texts = {
        **TEXTS,
        "rules/do_not_miss/clot.yaml": dumped({**clot, "rules": own}),
        "rules/rare/other.yaml": dumped({**clot, "title": "Other", "origin": "beyond", "rules": others}),
    }
    knowledge = small_knowledge(texts)
    case = patient({"ache": "yes", "bruise": "yes", "width": "2 cm"}, knowledge)
    trial = Trial(knowledge, [case])
    mutant = next(m for m in mutants_of(knowledge) if m.id == "by-bruise:flip:1")
    assert trial.effect(mutant)["leading"] == {"other": 1}
    assert "clot" not in trial.effect(mutant)
    hold(knowledge, trial, mutant, [0])


def test_every_mutant_of_the_built_in_knowledge_is_another_knowledge_base() -> None:
    """Ids are unique, the one thing differs and nothing else does, and what has one meaning is made once."""
    knowledge = built_in()
    mutants = list(mutants_of(knowledge))
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    assert all(mutant.after != mutant.before and mutant.words for mutant in mutants)
    changed = mutants[0].apply(knowledge)
    assert changed.hash != knowledge.hash
    assert changed.red_flags[mutants[0].owner] == mutants[0].after
    assert replace(changed, red_flags=knowledge.red_flags, hash=knowledge.hash) == knowledge


def test_what_differs_only_in_writing_means_the_same() -> None:
    a, b, c = Is("a"), Is("b"), Is("c")
    assert meaning(AnyOf((a, AnyOf((c, b))))) == meaning(AtLeast(1, (b, a, c, a)))
    assert meaning(Not(Not(a))) == meaning(AnyOf((a,))) == "a"
    assert meaning(AnyOf((a, ALWAYS))) == meaning(ALWAYS)
    assert meaning(AtLeast(2, (a, b, c))) != meaning(AtLeast(2, (a, b)))


def test_survivors_and_why() -> None:
    """A mutant is noticed by a case that passes and then fails; cases of another origin are counted apart."""
    knowledge, cases = small()
    mutants = tuple(mutants_of(knowledge))
    result = tried(Trial(knowledge, cases), mutants)
    why = {v.mutant.id: result.why(v) for v in result.survivors}
    assert "by-ache:drop:1.1" in why  # nobody who has no ache has no bruise
    assert why["by-ache:drop:1.1"] == "no case decides it"
    assert why["by-ache:drop:1.2"].startswith("comes out otherwise in 1 case, of which none expects it, such as 'bruised'")
    assert "by-ache:strength:stronger" not in why
    assert "cold:urgency:lower" not in why
    by_evidence = tried(Trial(knowledge, cases), mutants, ("evidence",))
    assert {v.mutant.id for v in by_evidence.survivors} - why.keys() >= {"cold:urgency:lower", "cold:flip:1"}
    assert by_evidence.score < result.score < 1
    lines = list(result_lines(result, 1))
    assert any(line.startswith("red flag") for line in lines)
    assert any("more (--all lists them)" in line for line in lines)


def test_a_case_that_fails_already_notices_nothing() -> None:
    knowledge, cases = small()
    wrong = replace(cases[1], expected=(Expectation("urgency", "emergency", NOWHERE),))
    trial = Trial(knowledge, [wrong])
    assert trial.passing == 0
    assert not any(trial.verdict(mutant).killers for mutant in mutants_of(knowledge, "cold"))


def test_recorded_cases_notice_the_survivors_and_pass() -> None:
    """Each holds what is concluded today, differs under its mutant, and has no finding to spare."""
    knowledge, cases = small()
    result = tried(Trial(knowledge, cases), mutants_of(knowledge))
    made = recorded(result, search)
    assert not made.unfound
    assert not made.equal
    problems = Problems()
    written = read_cases(made.text, "recorded.yaml", knowledge, problems)
    assert not problems.errors
    trial = Trial(knowledge, written)
    assert trial.passing == trial.patients.everyone
    by_id = {mutant.id: mutant for mutant in mutants_of(knowledge)}
    for number, case in enumerate(written):
        mutant = by_id[case.name.removeprefix("Notices ")]
        assert case.origin == "recorded"
        assert trial.verdict(mutant).killers >> number & 1
        changed = mutant.apply(knowledge)
        assert differences(case, outcome(changed, case.findings, infer(changed, case.findings)))
    assert len(written) == len(result.survivors)
    for case in written:
        (expected,) = case.expected
        for name in case.given:
            fewer = replace(case, findings={n: answer for n, answer in case.findings.items() if n != name})
            assert expected.subject not in Trial(knowledge, [fewer]).effect(by_id[case.name.removeprefix("Notices ")])


def test_what_is_proved_equal_counts_neither_way() -> None:
    knowledge, cases = small()
    result = tried(Trial(knowledge, cases), mutants_of(knowledge, "by-ache"))
    made = recorded(result, lambda knowledge, mutant: Equal())
    assert made.equal
    proved = replace(result, equal=made.equal)
    assert len(proved.survivors) == len(result.survivors) - len(made.equal)
    killed = len(result.verdicts) - len(result.survivors)
    assert proved.score == 1 - len(proved.survivors) / (killed + len(proved.survivors)) > result.score


@pytest.fixture(name="base")
def _base(tmp_path: Path) -> Path:
    for name, text in {**TEXTS, "tests/cases/clot.yaml": CASES}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def run(base: Path, *arguments: str) -> Any:
    given_paths = ("--knowledge", str(base), "--cases", str(base / "tests" / "cases"))
    return CliRunner().invoke(main, ["mutate", *given_paths, *arguments])


def test_the_command(base: Path) -> None:
    """A table, the survivors with their place, an exit code by the score; data on request."""
    done = run(base)
    assert done.exit_code == 0
    assert "clot.yaml:" in done.output
    assert "% noticed" in done.output
    assert run(base, "--fail-under", "99").exit_code == 1
    document = json.loads(run(base, "--format", "json", "clot").stdout)
    assert document["survivors"]
    assert {kind["kind"] for kind in document["kinds"]} == {"do-not-miss rule", "score"}
    assert run(base, "nonsense").exit_code == 2


def test_the_command_writes_cases_that_pass(base: Path) -> None:
    """A new file only; `crampdx test` passes on it, and with it beside the others all is noticed."""
    output = base / "tests" / "cases" / "new.yaml"
    assert run(base, "--write", str(output)).exit_code == 0
    tested = CliRunner().invoke(main, ["test", str(output), "--knowledge", str(base)])
    assert tested.exit_code == 0, tested.output
    assert "100.0 % noticed" in run(base).output
    before = output.read_text(encoding="utf-8")
    again = run(base, "--write", str(output))
    assert again.exit_code == 2
    assert output.read_text(encoding="utf-8") == before
