"""`crampdx diff`: what a change of the knowledge changes for patients, with a smallest patient for each conclusion."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from planted import BASE, CLOT, CONCEPTS, FINDINGS, FLAGS, NOTES, SOURCES, STRAIN, Edit, Texts, edited, with_rules, written

from crampdx.cli import BAD_KNOWLEDGE, DONE, USAGE, main
from crampdx.cli import FINDINGS as FOUND
from crampdx.engine.authoring.changes import Changes, change_lines, changes, witness_cases
from crampdx.engine.authoring.mutation import mutants_of
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.cases import read_cases
from crampdx.engine.knowledge.loader import from_texts
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.proof.differing import ABSENT, concluded, read_by_both, telling_apart, witnesses
from crampdx.engine.proof.reach import Prover

from at_hand import built_in
from small_worlds import knowledge_texts, patients, small_knowledge


def read(texts: Texts) -> Knowledge:
    knowledge, problems = from_texts(texts, Problems())
    assert knowledge is not None, [p.headline() for p in problems.found]
    assert not problems.errors
    return knowledge


def changed_by(*edits: Edit) -> Changes:
    return changes(read(BASE), read(edited(BASE, edits)), ())


def seen(found: Changes) -> dict[str, tuple[str, str, dict[str, str]]]:
    return {w.subject: (w.before, w.after, dict(w.patient)) for w in found.witnesses}


def test_nothing_differs_from_itself() -> None:
    found = changed_by()
    assert not found.edits
    assert not found.any
    assert list(change_lines(found)) == [
        "nothing is written otherwise",
        "",
        "no conclusion differs for any patient that both can read",
    ]


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ((STRAIN, "title: It hurts", "title: It aches"), "rule strain-by-pain: title (text only, changes nothing)"),
        ((FLAGS, "Record an electro", "Repeat the electro"), "red flag low-potassium: action (text only, changes nothing)"),
        ((SOURCES, "citation: A book", "citation: A good book"), "source a-book: citation (text only, changes nothing)"),
        ((FINDINGS, "ask: Does the calf hurt?", "ask: Is the calf sore?"), "finding calf_pain: ask (text only, changes nothing)"),
        ((CLOT, "scope: one swollen leg", "scope: a swollen leg"), "rule clot-not-seen: scope (text only, changes nothing)"),
    ],
)  # fmt: skip
def test_a_change_of_text_is_said_to_change_nothing(edit: Edit, line: str) -> None:
    found = changed_by(edit)
    assert [str(e) for e in found.edits] == [line]
    assert not found.any


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            (CONCEPTS, "when: potassium < 3.5 mmol/L\n  partition: potassium-bands", "when: potassium < 3.6 mmol/L"),
            {"urgency": ("routine", "emergency", {"potassium": "3.5 mmol/L"}), "low-potassium": ("silent", "fires", {"potassium": "3.5 mmol/L"})},
        ),
        ((FLAGS, "urgency: emergency", "urgency: soon"), {"urgency": ("emergency", "soon", {"potassium": None})}),
        (
            (NOTES, "when: age < 18 years", "when: age < 16 years"),
            {"children": ("fires", "silent", {"age": None})},
        ),
        (
            (STRAIN, "    when: not calf_swelling\n", "    when: not calf_swelling\n    unless: calf_redness\n"),
            {"rest-the-leg": ("shown", "not shown", {"calf_pain": "yes", "calf_redness": "yes", "calf_swelling": "no"})},
        ),
        (
            (CLOT, "then: opposes", "then: weakly opposes"),
            {"clot": (None, None, {"other_cause": "yes"}), "urgency": (None, None, None), "leading": (None, None, None)},
        ),
    ],
)  # fmt: skip
def test_each_conclusion_that_can_differ_has_a_smallest_patient(
    edit: Edit, expected: dict[str, tuple[str | None, ...]]
) -> None:
    """And no other conclusion is named. What is None may be anything."""
    found = seen(changed_by(edit))
    assert found.keys() == expected.keys()
    for subject, (before, after, patient) in expected.items():
        assert before in (None, found[subject][0])
        assert after in (None, found[subject][1])
        if isinstance(patient, dict):
            assert found[subject][2].keys() == patient.keys()
            assert all(words in (None, found[subject][2][name]) for name, words in patient.items())


def test_what_is_new_and_what_is_gone() -> None:
    """A new rule, and a diagnosis that is gone: what is not there counts like what never comes about."""
    found = changed_by(
        with_rules("  clot-by-heat:\n    title: T\n    when: calf_redness\n    then: supports\n    source: expert\n")
    )
    assert "rule clot-by-heat: new" in map(str, found.edits)
    assert seen(found)["clot"][2] == {"calf_redness": "yes"}
    back = changes(
        read(
            edited(
                BASE, (with_rules("  x:\n    title: T\n    when: calf_redness\n    then: supports\n    source: expert\n"),)
            )
        ),
        read(BASE),
        (),
    )
    assert "rule x: gone" in map(str, back.edits)
    assert seen(back)["clot"][:2] == ("possible", "not assessed")


@pytest.mark.parametrize(
    ("edit", "id", "word"),
    [
        ((FLAGS, "low-potassium:", "red-calf:\n  title: T\n  when: calf_redness\n  urgency: routine\n  action: A\n  source: expert\nlow-potassium:"), "red-calf", "fires"),
        ((NOTES, "  sick-child:", "  red-calf:\n    title: T\n    about: skin\n    when: calf_redness\n    text: T\n    source: expert\n  sick-child:"), "red-calf", "fires"),
        ((NOTES, "  children:", "  red-calf:\n    title: T\n    when: calf_redness\n    text: T\n    source: expert\n  children:"), "red-calf", "fires"),
        ((STRAIN, "  rest-the-leg:", "  red-calf:\n    text: T\n    when: calf_redness\n    withheld: W\n    source: expert\n  rest-the-leg:"), "red-calf", "shown"),
    ],
)  # fmt: skip
def test_what_only_one_of_the_two_has(edit: Edit, id: str, word: str) -> None:
    """Differs for whom it fires, both ways round, and moves no case for whom it is silent."""
    less, more = read(BASE), read(edited(BASE, (edit,)))
    cases = read_cases("- case: c\n  given:\n    potassium: 4 mmol/L\n", "cases.yaml", less, Problems())
    new, gone = changes(less, more, cases), changes(more, less, cases)
    assert seen(new).keys() == seen(gone).keys() == {id}
    assert seen(new)[id][:2] == (ABSENT, word)
    assert seen(gone)[id][:2] == (word, ABSENT)
    assert new.cases_moved == gone.cases_moved == 0


def test_a_finding_that_was_renamed_is_the_same_finding() -> None:
    texts = {name: text.replace("calf_swelling", "swollen_calf") for name, text in BASE.items()}
    texts[FINDINGS] = texts[FINDINGS].replace(
        "  title: Calf swelling\n", "  title: Calf swelling\n  was:\n    - calf_swelling\n"
    )
    found = changes(read(BASE), read(texts), ())
    assert not found.witnesses
    assert not found.otherwise


def test_a_finding_that_is_measured_otherwise_is_told_and_left_out() -> None:
    """No answer to it could be read by both, so nothing can be said of patients for whom it is known."""
    found = changed_by(
        (
            FINDINGS,
            "  unit: mmol/L\n  units:\n    mEq/L: 1\n  decimals: 1",
            "  unit: mmol/L\n  units:\n    mEq/L: 1\n  decimals: 2",
        )
    )
    assert found.otherwise == ("potassium",)
    assert found.any
    assert not found.witnesses


def test_the_cases_that_move_are_counted() -> None:
    text = "- case: low\n  given:\n    potassium: 3.5 mmol/L\n- case: pain\n  given:\n    calf_pain: yes\n"
    new = read(
        edited(
            BASE, ((CONCEPTS, "when: potassium < 3.5 mmol/L\n  partition: potassium-bands", "when: potassium < 3.6 mmol/L"),)
        )
    )
    cases = read_cases(text, "cases.yaml", new, Problems())
    found = changes(read(BASE), new, cases)
    assert (found.cases, found.cases_moved) == (2, 1)
    assert dict(found.moved) == {"urgency": 1, "low-potassium": 1}


def test_approved_witnesses_are_cases_that_pass() -> None:
    """With the new knowledge, and fail with the old one."""
    old, new = read(BASE), read(edited(BASE, ((CLOT, "then: strongly supports", "then: supports"),)))
    found = changes(old, new, ())
    text = witness_cases(found, new)
    cases = read_cases(text, "cases.yaml", new, problems := Problems())
    assert not problems.found
    assert len(cases) == len(found.witnesses) > 1
    for case, witness in zip(cases, found.witnesses, strict=True):
        assert concluded(witness.subject, new, infer(new, case.findings)) == witness.after
        assert concluded(witness.subject, old, infer(old, case.findings)) == witness.before


@seed(20261122)
@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(knowledge_texts(), st.integers(0, 10_000), st.lists(patients(), min_size=15, max_size=15))
def test_what_no_witness_speaks_of_never_differs(
    texts: dict[str, str], number: int, given_each: list[dict[str, str]]
) -> None:
    """On random knowledge bases with one fault put in: each witness is one, none of its answers can be left out, and random
    patients show no difference in anything else."""
    old = small_knowledge(texts)
    mutants = list(mutants_of(old))
    mutant = mutants[number % len(mutants)]
    new = mutant.apply(old)
    found = {witness.subject: witness for witness in witnesses(old, new)}
    for witness in found.values():
        assert said(witness.subject, old, new, witness.patient) == (witness.before, witness.after)
        for name in witness.patient:
            fewer = {n: words for n, words in witness.patient.items() if n != name}
            before, after = said(witness.subject, old, new, fewer)
            assert before == after
    subjects = {"urgency", "leading", *old.diagnoses, *old.red_flags, *old.notes, *old.scope, *old.advice}
    for given_findings in given_each:
        for subject in subjects - found.keys():
            before, after = said(subject, old, new, given_findings)
            assert before == after, (mutant.id, subject)
    apart = telling_apart(Prover(old), new, mutant.owner)
    assert apart is not None or not found
    itself = mutant.owner in {*old.rules, *old.concepts, *old.scores}
    assert bool(found) == (apart is not None) or itself


def said(subject: str, old: Knowledge, new: Knowledge, patient: Mapping[str, str]) -> tuple[str, str]:
    """What either concludes; the same where one of them refuses the patient."""
    read_as = read_by_both(patient, old, new)
    if read_as is None:
        return "", ""
    return concluded(subject, old, infer(old, read_as[0])), concluded(subject, new, infer(new, read_as[1]))


# The command ---------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(name="repository")
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with the knowledge base in a folder of it, committed, then changed but not committed."""
    root = tmp_path / "clinic"
    written(BASE, root / "knowledge")
    for command in ("init -q -b main", "add .", "-c user.name=A -c user.email=a@example.org commit -q -m One"):
        subprocess.run(["git", *command.split()], cwd=root, check=True)
    written(edited(BASE, (CHANGED,)), root / "knowledge")
    monkeypatch.chdir(root)
    return root


CHANGED = (CONCEPTS, "when: potassium < 3.5 mmol/L\n  partition: potassium-bands", "when: potassium < 3.6 mmol/L")


@pytest.mark.parametrize(("old", "new"), [("HEAD:knowledge", "knowledge"), ("main:knowledge/", "./knowledge")])
def test_a_revision_against_a_folder(repository: Path, old: str, new: str) -> None:
    result = run("diff", old, new)
    assert result.exit_code == FOUND
    assert "urgency: routine -> emergency\n    as in a patient with potassium 3.5 mmol/L\n" in result.stdout
    assert "low-potassium: silent -> fires" in result.stdout


def test_a_revision_as_seen_from_its_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "knowledge")
    assert run("diff", "HEAD").exit_code == FOUND
    assert run("diff", "HEAD", "HEAD").exit_code == DONE


def test_witnesses_are_approved_into_a_new_file(repository: Path) -> None:
    result = run("diff", "HEAD:knowledge", "knowledge", "--approve", "approved.yaml")
    assert "2 patients -> approved.yaml" in result.stderr
    assert run("test", "approved.yaml", "--knowledge", "knowledge").exit_code == DONE
    before = Path("approved.yaml").read_bytes()
    assert run("diff", "HEAD:knowledge", "knowledge", "--approve", "approved.yaml").exit_code == USAGE
    assert Path("approved.yaml").read_bytes() == before


def test_the_same_as_data(repository: Path) -> None:
    document = json.loads(run("diff", "HEAD:knowledge", "knowledge", "--format", "json").stdout)
    assert document["conclusions"][0] == {
        "subject": "urgency", "before": "routine", "after": "emergency", "patient": {"potassium": "3.5 mmol/L"},
    }  # fmt: skip
    assert [(e["kind"], e["id"], e["text_only"]) for e in document["edits"]] == [("concept", "low_potassium", False)]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nowhere", "knowledge"], USAGE, "neither a folder nor a git revision"),
        (["--", "-x", "knowledge"], USAGE, "neither a folder nor a git revision"),
        (["HEAD", "knowledge"], USAGE, "there is no knowledge base in 'HEAD'"),
        (["HEAD:elsewhere", "knowledge"], USAGE, "there is no knowledge base in 'HEAD:elsewhere'"),
        (["main:knowledge", "broken"], BAD_KNOWLEDGE, "no-such-folder"),
        (["broken:knowledge", "knowledge"], BAD_KNOWLEDGE, "broken:rules/do_not_miss/clot.yaml:"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_told(repository: Path, arguments: list[str], code: int, told: str) -> None:
    (repository / "broken").mkdir()
    clot = repository / "knowledge" / CLOT
    clot.write_text(BASE[CLOT].replace("then: opposes", "then: oposes"), encoding="utf-8")
    for command in ("branch -f broken", "checkout -q broken", "-c user.name=A -c user.email=a@example.org commit -qam B"):
        subprocess.run(["git", *command.split()], check=True)
    clot.write_text(BASE[CLOT], encoding="utf-8")
    result = run("diff", *arguments)
    assert result.exit_code == code, result.output
    assert told in result.output
    assert "Traceback" not in result.output


def test_the_built_in_knowledge_against_a_fault_in_it() -> None:
    """Every witness is one, and a fault of a red flag moves nothing but that flag, the urgency, and what any red flag excludes."""
    knowledge = built_in()
    mutant = next(m for m in mutants_of(knowledge, next(iter(knowledge.red_flags))) if ":drop" in m.id)
    changed = mutant.apply(knowledge)
    found = list(witnesses(knowledge, changed))
    last = set(knowledge.of_exclusion)  # these ask for the absence of every red flag
    allowed = {mutant.owner, "urgency", "leading", *last, *(a.id for a in knowledge.advice.values() if a.diagnosis in last)}
    assert {mutant.owner} <= {witness.subject for witness in found} <= allowed
    for witness in found:
        assert said(witness.subject, knowledge, changed, witness.patient) == (witness.before, witness.after)
