"""`--document-only` leaves out what is beyond the source document, and links and notes that speak of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, seed, settings
from planted import written

from crampdx.cli import main
from crampdx.engine.inference.outcome import outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.inference.weighing import is_listed
from crampdx.engine.knowledge.document import document_only

from at_hand import all_cases, built_in, meant
from small_worlds import dumped, knowledge_texts, patient, patients, small_knowledge

A_THING = {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient"}
NAMES = ("ache", "red", "crush", "water_pill", "weak", "dark_urine")
ASKED = {name: name.replace("_", " ") for name in NAMES}
TIERS = {"most_likely": ["gout", "strain"], "other_likely": [], "do_not_miss": [], "rare": []}


def rule(when: object, then: str = "supports") -> dict[str, object]:
    return {"title": "A rule", "when": when, "then": then, "source": "expert"}


def link(title: str, cause: str, effect: str, **more: object) -> dict[str, object]:
    return {"title": title, "cause": cause, "effect": effect, **more, "source": "expert"}


def note(about: str, **more: str) -> dict[str, object]:
    return {"title": f"About {about}", "about": about, **more, "when": "crush", "text": "Think of it.", "source": "expert"}


TEXTS = {
    "facts/all.yaml": dumped(
        {name: {**A_THING, "title": words.title(), "ask": f"Is there {words}?"} for name, words in ASKED.items()}
    ),
    "rules/weighing.yaml": dumped(
        {"points": {"weak": 1, "moderate": 3, "strong": 6}, "levels": {"possible": 3, "likely": 6, "unlikely": -3}}
    ),
    "rules/document.yaml": dumped({tier: {"heading": tier, "diagnoses": ids} for tier, ids in TIERS.items()}),
    "rules/concepts.yaml": dumped({"low_potassium": {"title": "Low potassium", "when": "weak", "source": "expert"}}),
    "rules/notes.yaml": dumped(
        {"notes": {"think-of-it": note("meltdown", yields="yes"), "mind-it": note("meltdown", yields="no")}}
    ),
    "rules/links.yaml": dumped(
        {
            "strain-and-gout": link("A strain may be behind gout", "strain", "gout", when="not red"),
            "gout-and-potassium": link("Gout may be behind low potassium", "gout", "low_potassium"),
            "meltdown-and-gout": link("A meltdown may be behind gout", "meltdown", "gout"),
        }
    ),
    "rules/interview.yaml": dumped({"all": {"title": "All", "panels": [{"title": "All", "findings": list(NAMES)}]}}),
    "rules/guarantees.yaml": dumped(
        {
            "crushed": {
                **{"title": "T", "hazard": "H", "whenever": {"all": ["crush", "red"]}},
                "then": "meltdown at least possible",
            },
            "aching": {"title": "T", "hazard": "H", "whenever": "ache", "then": "gout at least possible"},
        }
    ),
    "rules/most_likely/gout.yaml": dumped({"title": "Gout", "summary": "G", "rules": {"gout-ache": rule("ache")}}),
    "rules/most_likely/strain.yaml": dumped(
        {"title": "Strain", "summary": "S", "rules": {"strain-pill": rule("water_pill")}}
    ),
    "rules/do_not_miss/meltdown.yaml": dumped(
        {
            **{"title": "Meltdown", "summary": "M", "origin": "beyond", "urgency": {"possible": "emergency"}},
            "scores": {"melting": {"title": "Melting", "source": "expert", "points": {"crush": "1", "red": "1"}}},
            "advice": {"cool": {"text": "Cool it.", "withheld": "W", "source": "expert"}},
            "rules": {
                "meltdown-score": rule("melting >= 2 points"),
                "meltdown-urine": rule("dark_urine", "weakly supports"),
            },
        }
    ),
}
CASES = """\
- case: aching
  given:
    ache: yes
  expect:
    gout: possible
    leading: gout
- case: crushed
  given:
    crush: yes
    red: yes
  expect:
    meltdown: possible
- case: crushed and aching
  given:
    crush: yes
    red: yes
  expect:
    leading: meltdown
- case: by its rule
  given:
    crush: yes
    red: yes
  expect:
    because: [meltdown-score]
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return written({**TEXTS, "tests/cases/all.yaml": CASES}, tmp_path)


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--knowledge", str(folder)], env={"COLUMNS": "120"})


def diagnosed(folder: Path, given_findings: str, *arguments: str) -> Any:
    case = folder / "case.yaml"
    case.write_text("given:\n" + "".join(f"  {words}\n" for words in given_findings.split(", ")), encoding="utf-8")
    result = run(folder, "diagnose", str(case), "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    return document, document["cases"][0]


def test_what_is_left_out() -> None:
    """Diagnoses from beyond with all that is theirs; findings, concepts, red flags and notes stay; another hash."""
    knowledge = small_knowledge(TEXTS)
    alone = document_only(knowledge)
    assert [*alone.diagnoses] == ["gout", "strain"]
    assert alone.left_out == {"meltdown", "meltdown-score", "meltdown-urine", "melting", "cool", "meltdown-and-gout"}
    assert (alone.findings, alone.concepts, alone.notes) == (knowledge.findings, knowledge.concepts, knowledge.notes)
    assert alone.hash != knowledge.hash
    assert document_only(alone).hash == alone.hash
    without = {file: text for file, text in TEXTS.items() if "meltdown" not in file}
    links = {"rules/links.yaml": "\n".join(TEXTS["rules/links.yaml"].split("meltdown-and-gout")[0].splitlines()) + "\n"}
    assert small_knowledge({**without, **links}).hash == alone.hash


@seed(20261123)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(knowledge_texts(), patients())
def test_what_is_of_the_document_is_concluded_as_before(texts: dict[str, str], given_findings: dict[str, str]) -> None:
    """Of a random knowledge base, one diagnosis of which is from beyond."""
    texts = {**texts, "rules/do_not_miss/beta.yaml": texts["rules/do_not_miss/beta.yaml"] + "origin: beyond\n"}
    tiers = {tier: {"heading": tier, "diagnoses": ["alpha"] if tier == "most_likely" else []} for tier in TIERS}
    texts["rules/document.yaml"] = dumped(tiers)
    if "rules/rare/gamma.yaml" in texts:
        texts["rules/rare/gamma.yaml"] += "origin: beyond\n"
    knowledge = small_knowledge(texts)
    alone = document_only(knowledge)
    findings = patient(given_findings, knowledge).findings
    before, after = infer(knowledge, findings), infer(alone, findings)
    assert [*after.conclusions] == ["alpha"]
    assert after.conclusions["alpha"] == before.conclusions["alpha"]
    assert after.red_flags == before.red_flags
    assert after.said == before.said - {"beta-advice", "beta-advice [unless]", "gamma-advice", "gamma-advice [unless]"}


def test_the_documents_diagnoses_behave_as_before_in_every_case() -> None:
    """Of the built-in knowledge, in every regression case."""
    knowledge = built_in()
    alone = document_only(knowledge)
    assert {*alone.diagnoses} == {d for tier in knowledge.tiers for d in tier.diagnoses}
    for case in all_cases():
        before, after = meant(case), infer(alone, case.findings)
        assert all(before.conclusions[d] == conclusion for d, conclusion in after.conclusions.items()), case.name
        assert before.red_flags == after.red_flags


def test_one_from_beyond_is_listed_only_once_something_for_it_has_fired() -> None:
    knowledge = small_knowledge(TEXTS)

    def listed(**given_findings: str) -> bool:
        conclusion = infer(knowledge, patient(given_findings, knowledge).findings).conclusions["meltdown"]
        return is_listed(knowledge, conclusion)

    assert not listed()
    assert not listed(crush="yes")
    assert listed(crush="yes", red="yes")


def test_reports_say_that_it_is_the_document_only(folder: Path) -> None:
    document, case = diagnosed(folder, "crush: yes, red: yes")
    assert (document["document_only"], case["urgency"], case["leading"]) == (False, "emergency", "meltdown")
    alone, without = diagnosed(folder, "crush: yes, red: yes", "--document-only")
    assert (alone["document_only"], without["urgency"], without["leading"]) == (True, "routine", None)
    assert alone["knowledge"] == document_only(small_knowledge(TEXTS)).hash
    said = run(folder, "diagnose", str(folder / "case.yaml"), "--document-only").output
    assert "(document only)" in said and "Meltdown" not in said
    assert "(document only)" not in run(folder, "diagnose", str(folder / "case.yaml")).output


def test_a_table_is_evaluated_by_the_document_only(folder: Path) -> None:
    (folder / "t.csv").write_text("id,crush,red\na,yes,yes\n", encoding="utf-8")
    rows = {}
    for options in ((), ("--document-only",)):
        out = str(folder / "out.csv")
        said = run(folder, "batch", str(folder / "t.csv"), "--output", out, *options)
        assert ("by the diagnoses of the document alone" in said.stderr) == bool(options)
        rows[options] = Path(out).read_text(encoding="utf-8").splitlines()
    whole, alone = rows.values()
    assert "meltdown" in whole[0] and "meltdown" not in alone[0]
    assert ("emergency" in whole[1], "emergency" in alone[1]) == (True, False)


def test_a_note_yields_to_its_diagnosis_where_it_says_so(folder: Path) -> None:
    """And where that is left out, or is not possible, it speaks."""

    def notes(given_findings: str, *arguments: str) -> list[str]:
        return [entry["id"] for entry in diagnosed(folder, given_findings, *arguments)[1]["notes"]]

    assert notes("crush: yes, red: yes") == ["mind-it"]
    assert notes("crush: yes, red: yes", "--document-only") == ["mind-it", "think-of-it"]
    assert notes("crush: yes") == ["mind-it", "think-of-it"]


def test_a_link_is_shown_when_both_ends_are_there(folder: Path) -> None:
    """Its condition must be yes, and it moves nothing."""

    def links(given_findings: str, *arguments: str) -> list[str]:
        return [entry["id"] for entry in diagnosed(folder, given_findings, *arguments)[1]["links"]]

    assert links("ache: yes") == []
    assert links("ache: yes, water_pill: yes") == []  # whether it is red is not known
    assert links("ache: yes, water_pill: yes, red: no") == ["strain-and-gout"]
    assert links("ache: yes, weak: yes") == ["gout-and-potassium"]
    assert links("water_pill: yes, weak: yes") == []
    assert links("ache: yes, crush: yes, red: yes") == ["meltdown-and-gout"]
    assert links("ache: yes, crush: yes, red: yes", "--document-only") == []
    without = {file: text for file, text in TEXTS.items() if file != "rules/links.yaml"}
    plain, linked = small_knowledge(without), small_knowledge(TEXTS)
    assert plain.hash != linked.hash
    for answers in ({"ache": "yes", "weak": "yes"}, {"ache": "yes", "water_pill": "yes", "red": "no"}):
        findings = patient(answers, linked).findings
        assert infer(plain, findings) == infer(linked, findings)
        assert (
            outcome(plain, findings, infer(plain, findings)).lines
            == outcome(linked, findings, infer(linked, findings)).lines
        )


def test_links_are_told_wherever_the_knowledge_is(folder: Path) -> None:
    diagnosed(folder, "ache: yes, weak: yes")
    case = str(folder / "case.yaml")
    said = " ".join(run(folder, "diagnose", case).output.split())
    assert "~ Gout may be behind low potassium. [expert] Because: weak" in said
    assert "Gout may be behind low potassium" in run(folder, "explain", case, "gout").output
    assert "may be behind" in run(folder, "graph").output
    page = run(folder, "reference", str(folder / "tests" / "cases")).output
    assert "#### gout-and-potassium" in page and "may be behind" in page
    shown = run(folder, "show", "gout-and-potassium").output
    assert "effect: low_potassium" in shown


def test_cases_and_guarantees_about_what_is_left_out_are_left_out_with_it(folder: Path) -> None:
    cases = str(folder / "tests" / "cases")
    assert "4 passed" in run(folder, "test", cases).output
    result = run(folder, "test", cases, "--document-only")
    assert result.exit_code == 0
    assert "1 passed" in result.output and "3 cases about what is left out" in result.output
    checked = run(folder, "check", "--prove", "--document-only").output
    assert "aching" in checked and "crushed" not in checked
    assert "for 2 diagnoses" in checked
    assert "crushed" in run(folder, "check", "--prove").output


def test_a_session_asks_and_remembers_what_it_was_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What serves only what is left out is not asked. A journal knows the hash of what it was recorded with: by the whole
    knowledge base its answers are judged anew, and that is said."""
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))

    def held(*arguments: str) -> str:
        result = CliRunner().invoke(
            main, ["consult", "--plain", "--knowledge", str(folder), *arguments], input="n\n" * 9 + "quit\n"
        )
        return result.output

    assert "dark urine" in held()
    before = {*(folder / "state").rglob("*.jsonl")}
    said = held("--document-only")
    assert "dark urine" not in said and "ache" in said
    (journal,) = {*(folder / "state").rglob("*.jsonl")} - before
    same = run(folder, "replay", str(journal), "--document-only")
    assert "judged anew" not in same.output and "(document only)" in same.output
    assert "judged anew" in run(folder, "replay", str(journal)).output


def test_every_command_that_reads_knowledge_has_the_option() -> None:
    def commands(group: Any) -> Any:
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else (command,)

    for command in commands(main):
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--knowledge" in options) == ("--document-only" in options), command.name
