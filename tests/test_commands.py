"""The commands as a user runs them: what is printed where, and the exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from crampdx import __version__
from crampdx.cli import LATER, main
from crampdx.engine.authoring.evidence import evidence_page
from crampdx.engine.knowledge.loader import BUILT_IN, read
from crampdx.engine.knowledge.model import Knowledge

from at_hand import ROOT, all_cases
from small_worlds import dumped

EXAMPLE = str(ROOT / "examples" / "cramps_on_walking.yaml")
CASE_KEYS = [
    *("case", "urgency", "red_flags", "notes", "advice", "scope", "leading", "differential", "links"),
    *("firings", "warnings", "reviewed"),
]


def crampdx(*arguments: str, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=input)


def program(*arguments: str, cwd: Path, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crampdx.cli", *arguments]
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR")}
    return subprocess.run(command, cwd=cwd, input=input, capture_output=True, text=True, env={**env, **environment})


# diagnose ------------------------------------------------------------------------------------------------------------


def test_a_bare_command_teaches() -> None:
    """Examples and exit codes, and no waiting for input."""
    done = crampdx()
    assert done.exit_code == 0
    assert "crampdx diagnose patient.yaml" in done.output
    assert "Exit codes" in done.output


def test_diagnose_prints_urgency_and_leading_first_and_the_four_headings(knowledge: Knowledge) -> None:
    """Order of the report: case, urgency, leading, then the document's headings in its order."""
    text = crampdx("diagnose", EXAMPLE).output
    assert text.index("Urgency") < text.index("Leading") < text.index(knowledge.tiers[0].heading)
    places = [text.index(f"\n{tier.heading}\n---") for tier in knowledge.tiers]
    assert places == sorted(places)
    assert f"crampdx {__version__}, knowledge {knowledge.hash}" in " ".join(text.split())
    assert "not a medical device" in " ".join(text.split())
    assert "[statpearls-hypokalaemia" in text
    for tier in knowledge.tiers:
        for diagnosis in tier.diagnoses:
            assert knowledge.diagnoses[diagnosis].title in text


@pytest.mark.parametrize("width", ["80", "40"])
def test_the_report_fits_and_is_plain_in_a_pipe(tmp_path: Path, width: str) -> None:
    """No line is wider than the terminal, none ends in spaces, and nothing but text is written."""
    done = program("diagnose", EXAMPLE, cwd=tmp_path, COLUMNS=width, TERM="dumb")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    for line in done.stdout.splitlines():
        assert len(line) <= int(width)
        assert line == line.rstrip()
    assert done.stdout.isascii()


def test_the_readme_shows_what_is_printed() -> None:
    """The report that the README quotes is how the report of its first command begins."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = readme.split("```text\n")[1].split("```")[0]
    assert crampdx("diagnose", EXAMPLE).output.startswith(quoted)
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv ")]
    assert len(commands) == 2
    assert all(Path(ROOT, link).exists() for link in re.findall(r"\]\(([\w/.]+)\)", readme))


def test_json_has_the_promised_shape(knowledge: Knowledge) -> None:
    """Keys as documented; the differential in rank order; sources and findings in each line of evidence."""
    document = json.loads(crampdx("diagnose", "--format", "json", EXAMPLE).output)
    assert list(document) == ["schema_version", "version", "knowledge", "document_only", "cases"]
    assert document["schema_version"] == 1
    assert document["version"] == __version__
    assert document["knowledge"] == knowledge.hash
    assert document["document_only"] is False
    (case,) = document["cases"]
    assert list(case) == CASE_KEYS
    assert case["leading"] == case["differential"][0]["diagnosis"] == "peripheral_artery_disease"
    line = next(x for x in case["differential"] if x["diagnosis"] == "dehydration_electrolyte_imbalance")
    assert {
        "diagnosis",
        "title",
        "tier",
        "origin",
        "level",
        "could_reach",
        "points",
        "urgency",
        "evidence",
        "missing",
        "barred_by",
    } == set(line)
    low_potassium = next(
        e for e in line["evidence"] if {"finding": "serum_potassium", "value": "3.1 mmol/L"} in e["because"]
    )
    assert {"rule", "strength", "counted", "because", "through", "source"} == set(low_potassium)
    assert "hypokalaemia" in [step["name"] for step in low_potassium["through"]]
    assert set(low_potassium["source"]) <= {*knowledge.sources, "expert", "unverified"}
    assert {"hypokalaemia", low_potassium["rule"]} <= set(case["firings"])


def test_standard_input_and_json_cases() -> None:
    """`-` reads standard input; a case may be JSON."""
    text = json.dumps({"case": "From a pipe", "given": {"age": "70 years", "dark_urine": True}})
    done = crampdx("diagnose", "-", "--format", "json", input=text)
    assert done.exit_code == 0
    (case,) = json.loads(done.output)["cases"]
    assert case["case"] == "From a pipe"
    assert case["urgency"] == "emergency"


def test_a_bad_case_does_not_hide_the_good_ones(tmp_path: Path) -> None:
    """The good case is reported, the bad one is named with its place, and the exit code is 4."""
    file = tmp_path / "two.yaml"
    file.write_text(
        "- case: Good\n  given:\n    dark_urine: yes\n- case: Bad\n  given:\n    dark_urin: yes\n", encoding="utf-8"
    )
    done = program("diagnose", str(file), cwd=tmp_path)
    assert done.returncode == 4
    assert done.stdout.startswith("Good\n")
    assert f"{file}:6:5: error[unknown-finding]: no finding is called 'dark_urin'" in done.stderr
    assert "did you mean 'dark_urine'?" in done.stderr
    document = json.loads(program("diagnose", "--format", "json", str(file), cwd=tmp_path).stdout)
    assert [c["case"] for c in document["cases"]] == ["Good"]
    assert document["problems"][0]["line"] == 6


def test_red_flags_and_withheld_advice_are_shown(tmp_path: Path) -> None:
    """A red flag with its action and reason, and advice withheld with the reason."""
    file = tmp_path / "case.yaml"
    file.write_text("case: X\ngiven:\n  vomiting: yes\n  dark_urine: yes\n", encoding="utf-8")
    text = crampdx("diagnose", str(file)).output
    assert "!! EMERGENCY:" in text
    assert "Because: dark urine" in " ".join(text.split())
    assert "Withheld (drink-to-thirst)" in text


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    """`crampdx diagnose ... | head -1` prints no complaint."""
    shell = f"{sys.executable} -m crampdx.cli diagnose {EXAMPLE} | head -n 1"
    done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_doubtful_answers_are_said(tmp_path: Path) -> None:
    """An answer whose question a closed gate would have spared counts, and the report says so."""
    file = tmp_path / "case.yaml"
    file.write_text("case: X\ngiven:\n  leg_swelling: no\n  new_leg_swelling: yes\n", encoding="utf-8")
    (case,) = json.loads(crampdx("diagnose", "--format", "json", str(file)).output)["cases"]
    assert any("new_leg_swelling" in warning for warning in case["warnings"])


# batch ---------------------------------------------------------------------------------------------------------------


def test_batch_writes_a_row_a_case_and_lists_the_rest(tmp_path: Path) -> None:
    """Good cases, a bad case and an unreadable file: each is in one of the two files, which are private."""
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "a.yaml").write_text(
        "- case: One\n  given:\n    dark_urine: yes\n- case: Two\n  given:\n    dark_urin: yes\n", "utf-8"
    )
    (cases / "b.json").write_text('{"case": "Three", "given": {"age": "50 years"}}', "utf-8")
    (cases / "c.yaml").write_bytes(b"\xff\xfe\x00")
    output = tmp_path / "out.jsonl"
    done = crampdx("batch", str(cases), "--output", str(output))
    assert done.exit_code == 4
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [(Path(line["file"]).name, line["id"], line["urgency"]) for line in lines] == [
        ("a.yaml", "One", "emergency"),
        ("b.json", "Three", "routine"),
    ]
    listed = tmp_path / "out.jsonl.rejects.csv"
    rejects = list(csv.DictReader(listed.read_text(encoding="utf-8").splitlines()))
    assert [(Path(r["file"]).name, r["row"], r["code"]) for r in rejects] == [
        ("a.yaml", "6", "unknown-finding"),
        ("c.yaml", "1", "not-utf-8"),
    ]
    assert "4 patients: 2 evaluated, 2 rejected" in done.output
    assert "urgency: 1 emergency, 1 routine" in done.output
    assert stat.S_IMODE(output.stat().st_mode) == stat.S_IMODE(listed.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*.part"))


def test_batch_of_nothing_is_not_a_success(tmp_path: Path) -> None:
    """An empty folder is exit code 5, and no output file appears."""
    done = crampdx("batch", str(tmp_path), "--output", str(tmp_path / "out.jsonl"))
    assert done.exit_code == 5
    assert not (tmp_path / "out.jsonl").exists()


# check, test, vocab, show, evidence ----------------------------------------------------------------------------------


def test_the_built_in_knowledge_is_clean() -> None:
    """No error and no warning; the counts are printed."""
    _, problems = read(BUILT_IN)
    assert problems.errors == ()
    assert [p.headline() for p in problems.warnings] == []
    done = crampdx("check", "--strict")
    assert done.exit_code == 0
    assert "0 errors, 0 warnings" in done.output


def test_check_shows_every_problem_of_a_folder(tmp_path: Path) -> None:
    """A rule author's own folder: all faults in one run, exit code 3."""
    (tmp_path / "facts").mkdir()
    (tmp_path / "rules" / "rare").mkdir(parents=True)
    (tmp_path / "facts" / "all.yaml").write_text(
        dumped({"ache": {"title": "Ache", "ask": "Does it ache?", "kind": "yes-no", "known_by": "nobody"}}), "utf-8"
    )
    (tmp_path / "rules" / "rare" / "gout.yaml").write_text(
        dumped({"title": "Gout", "summary": "G", "rules": {"r": {"title": "R", "when": "akhe", "then": "helps"}}}), "utf-8"
    )
    done = crampdx("check", "--knowledge", str(tmp_path))
    assert done.exit_code == 3
    for code in ("unknown-word", "unknown-name", "missing-key"):
        assert f"error[{code}]" in done.output


def test_failing_and_missing_cases_have_their_exit_codes(tmp_path: Path) -> None:
    """A case that does not come out is shown with what came out (1); no case at all is 5."""
    file = tmp_path / "c.yaml"
    file.write_text("case: X\nfrom: evidence\ngiven:\n  dark_urine: yes\nexpect:\n  urgency: routine\n", "utf-8")
    done = crampdx("test", str(file))
    assert done.exit_code == 1
    assert "urgency: expected routine, got emergency" in done.output
    assert "0 passed, 1 failed" in done.output
    (tmp_path / "empty").mkdir()
    assert crampdx("test", str(tmp_path / "empty")).exit_code == 5


def test_summary_adds_the_accuracy_tables() -> None:
    """Shares with intervals, the urgency table, and each miss by name."""
    done = crampdx("test", str(ROOT / "tests/cases/published.yaml"), "--summary")
    assert "with alternatives" in done.output
    assert "no confirmation" in done.output
    assert "Emergencies triaged lower" in done.output
    assert "pad_runner_back_pain_65: peripheral_artery_disease is undecided" in done.output


def test_vocab_searches_names_titles_questions_and_other_names() -> None:
    """A drug's name finds its class; nothing found is exit code 5."""
    assert "thiazide_diuretic_use" in crampdx("vocab", "hydrochlorothiazide").output
    assert "calf_circumference_difference" in crampdx("vocab", "calf").output
    for name in ("dehydration", "diuretic_use", "unilateral_swelling", "trauma"):
        assert name in crampdx("vocab", name).output
    assert crampdx("vocab", "unicorn").exit_code == 5
    for words, name in (
        ("CK", "creatine_kinase"),
        ("k", "serum_potassium"),
        ("calf pain", "calf_pain"),
        ("serum_glucose", "serum_glucose"),
    ):
        assert crampdx("vocab", *words.split()).stdout.startswith(f"{name}\t"), words


def test_show_prints_what_the_author_wrote_and_who_uses_it() -> None:
    """A concept with its users; compiled, it is readable Python."""
    done = crampdx("show", "hypokalaemia")
    assert "- serum_potassium below range" in done.output
    assert "electrolyte_disturbance" in done.output.split("# used by:")[1]
    compiled = crampdx("show", "hypokalaemia", "--compiled").output
    assert "Quantity(name='serum_potassium'" in compiled
    assert "self.declare(Known(name='hypokalaemia', value='yes'))" in compiled
    compile(compiled, "compiled", "exec")
    assert "did you mean 'hypokalaemia'" in crampdx("show", "hypokalemia").output


def test_everything_can_be_shown(knowledge: Knowledge) -> None:
    """Every rule compiles to Python that parses."""
    from crampdx.engine.inference.compilation import compile_knowledge

    productions = compile_knowledge(knowledge)
    assert set(knowledge.rules) <= {p.name for p in productions}
    compile("\n\n".join(p.as_python() for p in productions), "compiled", "exec")
    assert len({p.salience for p in productions}) == len(productions)


def test_the_evidence_page_is_true(knowledge: Knowledge) -> None:
    """docs/evidence.md is what the knowledge base and the cases say now, and no row is forgotten."""
    page = evidence_page(knowledge, all_cases())
    assert page == (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    assert "NOT LISTED" not in page
    for prefix, count in (("IC", 53), ("RF", 15), ("D", 208)):
        assert sum(1 for row in knowledge.register if row.startswith(prefix)) == count


def test_help_needs_nothing_heavy() -> None:
    """`--help` imports neither yaml, rich nor experta."""
    script = "import sys, crampdx.cli\ntry:\n    crampdx.cli.main(['--help'])\nexcept SystemExit:\n    pass\nprint(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = done.stdout.rsplit("[", 1)[1]
    for module in ("'yaml'", "'rich.console'", "'experta'", "'crampdx.engine.knowledge.parser'"):
        assert module not in loaded


def test_batch_survives_missing_files_and_never_overwrites_an_input(tmp_path: Path) -> None:
    """A file that is not there is counted like a bad one; the output may not be an input; odd names are shown."""
    good = tmp_path / "good.yaml"
    good.write_text("case: One\ngiven:\n  age: 50 years\n", "utf-8")
    output = tmp_path / "out.jsonl"
    done = crampdx("batch", str(tmp_path / "missing.yaml"), str(good), "--output", str(output))
    assert done.exit_code == 4
    assert "2 patients: 1 evaluated, 1 rejected" in done.output
    assert len(output.read_text(encoding="utf-8").splitlines()) == 1
    done = crampdx("batch", str(good), "--output", str(good))
    assert done.exit_code == 2
    assert good.read_text(encoding="utf-8").startswith("case: One")
    odd = os.fsencode(str(tmp_path)) + b"/n\xffme.yaml"
    Path(os.fsdecode(odd)).write_text("case: Odd\ngiven:\n  age: 50 years\n", "utf-8")
    done = program("batch", str(tmp_path), "--output", str(tmp_path / "all.jsonl"), cwd=tmp_path)
    assert done.returncode == 0
    assert "n\\\\xffme.yaml" in (tmp_path / "all.jsonl").read_text(encoding="utf-8")


def test_an_endless_input_is_refused(tmp_path: Path) -> None:
    """Only as much is read as could ever be accepted."""
    done = program("diagnose", "/dev/zero", cwd=tmp_path)
    assert done.returncode == 4
    assert "error[" in done.stderr


def test_a_rule_may_not_claim_more_than_its_evidence(tmp_path: Path) -> None:
    """A copy of the built-in knowledge, one rule made stronger, one robbed of its row: check names both."""
    for room in ("facts", "rules"):
        shutil.copytree(ROOT / room, tmp_path / room)
    file = tmp_path / "rules" / "most_likely" / "dehydration_electrolyte_imbalance.yaml"
    text = file.read_text(encoding="utf-8")
    start = text.index("  potassium-below-3-5:")
    rule = text[start : text.index("\n\n", start)]
    louder = rule.replace("then: supports", "then: establishes")
    assert louder != rule
    file.write_text(text.replace(rule, louder), encoding="utf-8")
    done = crampdx("check", "--strict", "--knowledge", str(tmp_path))
    assert done.exit_code == 1
    assert "warning[stronger-than-evidence]: 'potassium-below-3-5' establishes" in done.output
    file.write_text(text.replace(rule, re.sub(r"\n    evidence: .*", "", rule)), encoding="utf-8")
    assert "warning[no-evidence-row]: 'potassium-below-3-5'" in crampdx("check", "--knowledge", str(tmp_path)).output


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("d_dimer: 600 ng/mL", "'d_dimer' is not measured in 'ng/mL'"),
        ("serum_potassium: 35 mmol/L", "'serum_potassium': 35 mmol/L is outside the plausible 1 to 10 mmol/L"),
        ("sex: male\n  pregnant: yes", "cannot hold together"),
        (
            "left_calf_circumference: 40 cm\n  right_calf_circumference: 36 cm\n  calf_circumference_difference: 1 cm",
            "is 4 cm",
        ),
    ],
)
def test_traps_of_the_input_are_refused(tmp_path: Path, given: str, complaint: str) -> None:
    """A D-dimer without its kind of unit, a slipped decimal point, the impossible, and the contradictory."""
    file = tmp_path / "case.yaml"
    file.write_text(f"case: X\ngiven:\n  {given}\n", "utf-8")
    done = crampdx("diagnose", str(file))
    assert done.exit_code == 4
    assert complaint in done.output


def test_d_dimer_units_differ_by_two(tmp_path: Path) -> None:
    """300 ng/mL DDU is 600 ng/mL FEU, which is positive; 300 ng/mL FEU is not."""
    for unit, positive in (("FEU", "no"), ("DDU", "yes")):
        file = tmp_path / f"{unit}.yaml"
        expect = f"expect:\n  d_dimer_positive: {positive}\n"
        file.write_text(
            f"case: {unit}\nfrom: evidence\ngiven:\n  age: 40 years\n  d_dimer: 300 ng/mL {unit}\n{expect}", "utf-8"
        )
        assert crampdx("test", str(file)).exit_code == 0


def test_show_compiled_is_whole() -> None:
    """Nested alternatives and what withholds an advice are shown with what waits for them."""
    rule = crampdx("show", "dvt-after-immobility", "--compiled").output
    waited_for = set(re.findall(r"Known\(name='(any\([^']*)', value='yes'\),", rule))
    assert waited_for
    for name in waited_for:
        assert f"self.declare(Known(name='{name}', value='yes'))" in rule
    assert "Evidence(id='dvt-after-immobility')" in rule
    advice = crampdx("show", "oral-rehydration-for-proven-loss", "--compiled").output
    assert "Said(id='oral-rehydration-for-proven-loss [unless]')" in advice
    assert "needs of medication_side_effect" in crampdx("show", "medication_side_effect", "--compiled").output


def test_expectations_do_not_stand_in_the_way_of_a_patient(tmp_path: Path) -> None:
    """`diagnose` reads what is given and leaves alone what is expected; `test` does not."""
    file = tmp_path / "old.yaml"
    file.write_text("case: X\nfrom: evidence\ngiven:\n  age: 50 years\nexpect:\n  renamed-rule: fires\n", "utf-8")
    assert crampdx("diagnose", str(file)).exit_code == 0
    assert crampdx("test", str(file)).exit_code == 4
    file.write_text("case: X\ngiven:\n  age: 50 years\ndiagnosis: deep_vein_trombosis\n", "utf-8")
    assert "no diagnosis is called 'deep_vein_trombosis'" in crampdx("test", str(file), "--summary").output


def test_every_flag_and_advice_names_its_source(knowledge: Knowledge, tmp_path: Path) -> None:
    """In the JSON and in the text, not only rules."""
    file = tmp_path / "case.yaml"
    file.write_text("case: X\ngiven:\n  saddle_numbness: yes\n  vomiting: yes\n  quinine_use: yes\n", "utf-8")
    (case,) = json.loads(crampdx("diagnose", "--format", "json", str(file)).output)["cases"]
    for kind in ("red_flags", "notes", "advice"):
        assert case[kind]
        for entry in case[kind]:
            assert set(entry["source"]) <= {*knowledge.sources, "expert", "unverified"}
    text = crampdx("diagnose", str(file)).output
    flag = knowledge.red_flags[case["red_flags"][0]["id"]]
    assert f"[{', '.join(flag.source)}]" in " ".join(text.split())


@pytest.mark.parametrize(
    ("value", "low"),
    [
        ("3.44 mmol/L", "yes"),  # 3.4
        ("3.45 mmol/L", "no"),  # 3.5, half away from zero, which is not below 3.5
        ("3.45 mEq/L", "no"),
        ("'> 3.45 mmol/L'", "no"),  # rounded to 3.5, and not open any more: 3.5 or above
        ("'< 3.6 mmol/L'", "unknown"),
        ("'< 3.5 mmol/L'", "yes"),
        ("3.4 mmol/L (3.3 to 5.0)", "no"),  # this laboratory's own interval
    ],
)
def test_values_are_rounded_before_they_are_compared(tmp_path: Path, value: str, low: str) -> None:
    """To the precision of the vocabulary, after conversion, so that every reader agrees at a threshold."""
    file = tmp_path / "case.yaml"
    file.write_text(
        f"case: X\nfrom: evidence\ngiven:\n  serum_potassium: {value}\nexpect:\n  hypokalaemia: {low}\n", "utf-8"
    )
    done = crampdx("test", str(file))
    assert done.exit_code == 0, done.output


def test_graph_prints_a_diagnosis_or_all_and_says_what_it_cannot_draw() -> None:
    """Mermaid by default; a name that is no diagnosis and a patient's name without a file are wrong usage."""
    drawn = CliRunner().invoke(main, ["graph", "dystonia"])
    assert drawn.exit_code == 0 and drawn.output.startswith("flowchart LR") and "Parkinson disease" in drawn.output
    dot = CliRunner().invoke(main, ["graph", "--format", "dot"])
    assert dot.exit_code == 0 and dot.output.startswith("digraph")
    patient = ["--patient", str(ROOT / "examples" / "cramps_on_walking.yaml")]
    marked = CliRunner().invoke(main, ["graph", "peripheral_artery_disease", *patient])
    plain = CliRunner().invoke(main, ["graph", "peripheral_artery_disease"])
    assert marked.exit_code == 0 and marked.output != plain.output
    assert CliRunner().invoke(main, ["graph", "dystonya"]).exit_code == 2
    assert CliRunner().invoke(main, ["graph", "--case", "x"]).exit_code == 2


def test_schema_prints_the_schema_of_a_kind_of_file() -> None:
    """JSON, which names the findings; another kind is wrong usage, and the kinds are named."""
    printed = CliRunner().invoke(main, ["schema", "case"])
    assert printed.exit_code == 0 and "leg_cramps" in str(json.loads(printed.output))
    wrong = CliRunner().invoke(main, ["schema", "cases"])
    assert wrong.exit_code == 2 and "interview" in wrong.output


def test_commands_that_are_imported_later_are_what_help_says() -> None:
    """Each is there under its name, and `--help` says of it what it says of itself."""
    context = click.Context(main)
    for name, (_, _, does) in LATER.items():
        command = main.get_command(context, name)
        assert command is not None
        assert (command.name, command.get_short_help_str(100)) == (name, does)
