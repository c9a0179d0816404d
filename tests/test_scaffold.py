"""What `crampdx new` begins: it passes the check as it is, goes to its place, and changes nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crampdx import beginning
from crampdx.cli import main
from crampdx.engine.authoring.scaffold import Addition, added, rule, starter, with_schemas
from crampdx.engine.knowledge.loader import BUILT_IN, from_texts
from crampdx.engine.knowledge.model import KINDS, KNOWERS, TIERS
from crampdx.engine.knowledge.problems import Problems

from at_hand import built_in

ILLNESS, FACTS, CASES = "rules/rare/example_illness.yaml", "facts/findings.yaml", "tests/cases/cases.yaml"


def crampdx(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(name="clinic")
def _clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new knowledge base, without its schemas, as the current folder."""
    folder = tmp_path / "clinic"
    for file, text in starter(built_in().weighing).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sound(folder: Path) -> None:
    """Neither an error nor a warning, and every case holds."""
    checked = crampdx("check", "--strict", "--knowledge", str(folder))
    assert checked.exit_code == 0, checked.output
    tested = crampdx("test", str(folder / "tests" / "cases"), "--knowledge", str(folder))
    assert tested.exit_code == 0 and " 0 failed" in tested.output, tested.output


def test_a_new_knowledge_base_is_sound(tmp_path: Path) -> None:
    """One of each, held to a case that can fail; each first line names a schema that is there; no folder is written over."""
    folder = tmp_path / "my" / "clinic"
    done = crampdx("new", "knowledge", str(folder))
    assert done.exit_code == 0
    sound(folder)
    assert "1 passed" in crampdx("test", str(folder / "tests" / "cases"), "--knowledge", str(folder)).output
    printed = done.stdout.splitlines()
    assert sorted(Path(line).relative_to(folder).as_posix() for line in printed) == sorted(starter(built_in().weighing))
    for line in printed:
        first = Path(line).read_text(encoding="utf-8").split("\n", 1)[0]
        assert (Path(line).parent / first.removeprefix("# yaml-language-server: $schema=")).is_file()
    before = contents(folder)
    assert crampdx("new", "knowledge", str(folder)).exit_code == 2
    assert contents(folder) == before


def test_schemas_are_of_the_new_knowledge() -> None:
    """They know its names and not those of the built-in knowledge."""
    files = with_schemas(starter(built_in().weighing))
    assert "example_finding" in files["docs/schema/case.json"]
    assert "leg_cramps" not in files["docs/schema/case.json"]


TO_DO = {  # what is rightly warned of until the author goes on
    **{name: {"unused-finding", "in-no-panel"} for name in ("finding", "choice", "quantity")},
    "exclusion": {"scope-outside-condition"},
    "diagnosis": {"no-rule-for", "no-rule-against", "no-urgency"},
}
EACH = {
    "finding": (("finding", "calf_ache"), FACTS),
    "choice": (("finding", "calf_hue", "--kind", "choice", "--known-by", "examiner"), FACTS),
    "quantity": (("finding", "calf_size", "--kind", "quantity"), FACTS),
    "recorded": (("finding", "hat_size", "--file", "facts/recorded.yaml"), "facts/recorded.yaml"),
    "rule": (("rule", "example_illness", "a-rule", "--when", "not example_finding", "--then", "opposes"), ILLNESS),
    "exclusion": (("rule", "example_illness", "a-rule", "--when", "not example_finding", "--then", "excludes"), ILLNESS),
    "diagnosis": (("diagnosis", "sore_calf", "--tier", "do_not_miss"), "rules/do_not_miss/sore_calf.yaml"),
    "case": (("case", "It's a case: with signs # in it"), CASES),
    "case of its own file": (("case", "A case", "--file", "tests/cases/more.yaml"), "tests/cases/more.yaml"),
    "review": (("review", "example-rule", "--role", "author", "--date", "2026-02-28"), "rules/reviews.yaml"),
}


@pytest.mark.parametrize("name", EACH)
def test_what_is_begun_passes_the_check(clinic: Path, name: str) -> None:
    """Printed, it changes nothing; written, it is what was printed, in its one file, with all that stood there before; and
    what remains to be done is said then and there, as the check will say it."""
    arguments, file = EACH[name]
    before = contents(clinic)
    printed = crampdx("new", *arguments)
    assert printed.exit_code == 0, printed.output
    assert f"for {file}" in printed.stderr
    assert contents(clinic) == before
    written = crampdx("new", *arguments, "--write")
    assert written.exit_code == 0 and not written.stdout
    after = contents(clinic)
    assert {f for f in after if after[f] != before.get(f)} == {file}
    old, new = before.get(file, b"").decode(), after[file].decode()
    assert new.startswith(old) and new.endswith(printed.stdout)
    assert new.startswith("# yaml-language-server: $schema=../")
    for said in (printed.stderr, written.stderr, crampdx("check", "--knowledge", str(clinic)).stdout):
        assert set(re.findall(r"(?:warning|error)\[(.+?)\]", said)) == TO_DO.get(name, set())
    if name not in TO_DO:
        sound(clinic)


def test_a_finding_a_diagnosis_and_a_rule_make_a_whole(clinic: Path) -> None:
    """The finding is read by the rule, the rule is of the new diagnosis, and a second rule stands beside the first."""
    begun: list[tuple[str, ...]] = [
        ("diagnosis", "sore_calf", "--tier", "rare"),
        ("finding", "calf_ache"),
        ("rule", "sore_calf", "aching", "--when", "calf_ache", "--then", "strongly supports"),
        ("rule", "sore_calf", "no-ache", "--when", "not calf_ache", "--when", "example_finding", "--then", "opposes"),
    ]
    for arguments in begun:
        done = crampdx("new", *arguments, "--write")
        assert done.exit_code == 0, done.output
    interview = clinic / "rules" / "interview.yaml"
    interview.write_text(interview.read_text(encoding="utf-8") + "        - calf_ache\n", encoding="utf-8")
    sound(clinic)
    rules = (clinic / "rules" / "rare" / "sore_calf.yaml").read_text(encoding="utf-8").split("rules:\n")[1]
    assert re.findall(r"^  (\S+):$|^ +- (.+)$", rules, re.MULTILINE) == [
        *(("aching", ""), ("no-ache", ""), ("", "not calf_ache"), ("", "example_finding"))
    ]
    assert rules.count("source: unverified") == 2 and "TODO" in rules


REFUSED = {
    "name style": (("finding", "Calf-Ache"), "name-style"),
    "name taken": (("finding", "example_finding"), "stands twice"),
    "id of another": (("finding", "example_illness"), "id-used-twice"),
    "reserved": (("finding", "urgency"), "name-reserved"),
    "two lines": (("finding", "calf_ache: {}\nother"), "name-style"),
    "another room": (("finding", "calf_ache", "--file", "facts/../rules/a.yaml"), "no file of findings"),
    "not yaml": (("finding", "calf_ache", "--file", "facts/a"), "no file of findings"),
    "unknown diagnosis": (
        ("rule", "example_ilness", "a", "--when", "example_finding", "--then", "supports"),
        "example_illness",
    ),
    "no diagnosis": (
        ("rule", "example-rule", "a", "--when", "example_finding", "--then", "supports"),
        "no diagnosis is called",
    ),
    "rule taken": (("rule", "example_illness", "example-rule", "--when", "x", "--then", "supports"), "stands twice"),
    "unknown finding": (
        ("rule", "example_illness", "a", "--when", "exmple_finding", "--then", "supports"),
        "did you mean 'example_finding'",
    ),
    "unknown strength": (("rule", "example_illness", "a", "--when", "example_finding", "--then", "support"), "'supports'"),
    "diagnosis there": (("diagnosis", "example_illness", "--tier", "rare"), "already"),
    "in another tier": (("diagnosis", "example_illness", "--tier", "most_likely"), "id-used-twice"),
    "path": (("diagnosis", "../a", "--tier", "rare"), "no '/'"),
    "case taken": (("case", "Example finding is there"), "Example finding is there"),
    "case outside": (("case", "A case", "--file", "tests/cases/../../a.yaml"), "is no file such as"),
    "unknown id": (("review", "exampel-rule", "--role", "author"), "did you mean 'example-rule'"),
    "a name": (("review", "example-rule", "--role", "Jo Bloggs"), "never a name"),
    "an address": (("review", "example-rule", "--role", "jo@example.org"), "never a name"),
    "no day": (("review", "example-rule", "--role", "author", "--date", "2026-02-29"), "YEAR-MONTH-DAY"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_be_sound_is_refused(clinic: Path, name: str) -> None:
    """Whether it is to be written or only printed, with a way out; and no byte changes."""
    arguments, words = REFUSED[name]
    before = contents(clinic)
    for also in ((), ("--write",)):
        done = crampdx("new", *arguments, *also)
        assert done.exit_code == 2 and not done.stdout, done.output
        assert words in " ".join(done.stderr.split())
        assert contents(clinic) == before


def test_nothing_is_written_where_no_knowledge_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a knowledge base the built-in one is read, so that things can be tried out, and never written to."""
    monkeypatch.chdir(tmp_path)
    subject = next(iter(built_in().diagnoses))
    leaf = next(f.name for f in built_in().findings.values() if f.kind == "yes-no" and not f.recorded_only)
    arguments = ("new", "rule", subject, "quite-a-new-rule", "--when", leaf, "--then", "supports")
    stood = contents(BUILT_IN / "rules")
    refused = crampdx(*arguments, "--write")
    assert refused.exit_code == 2 and "--knowledge FOLDER" in refused.stderr
    assert contents(BUILT_IN / "rules") == stood
    concept = crampdx("new", "rule", next(iter(built_in().concepts)), *arguments[3:])
    assert concept.exit_code == 2 and "is no diagnosis" in concept.stderr
    printed = crampdx(*arguments)
    assert printed.exit_code == 0 and printed.stdout.startswith("  quite-a-new-rule:\n    title: 'TODO")
    assert f"/{subject}.yaml, under 'rules:'" in printed.stderr


def test_faults_that_are_there_already_come_first(clinic: Path) -> None:
    """Those of the knowledge as such, those of a file of cases as such; both with their places."""
    (clinic / CASES).write_text("- case: A\n", encoding="utf-8")
    cases = crampdx("new", "case", "B", "--write")
    assert cases.exit_code == 4 and f"{CASES}:1:3: error[missing-key]" in cases.stderr
    assert crampdx("new", "finding", "calf_ache").exit_code == 0
    (clinic / CASES).write_bytes(b"\xff\xff")
    assert crampdx("new", "case", "B", "--write").exit_code == 4
    (clinic / FACTS).write_text("a:\n  title: A\n", encoding="utf-8")
    knowledge = crampdx("new", "finding", "calf_ache", "--write")
    assert knowledge.exit_code == 3 and f"{FACTS}:2:3: error[missing-key]" in knowledge.stderr
    (clinic / FACTS).write_bytes(b"\xff\xff")
    assert crampdx("new", "case", "B", "--file", "tests/cases/b.yaml").exit_code == 3


def test_which_file_of_findings_must_be_said_where_there_are_several(clinic: Path) -> None:
    """And a new one is made with its first lines."""
    done = crampdx("new", "finding", "calf_ache", "--file", "facts/symptoms.yaml", "--write")
    assert done.exit_code == 0
    made = (clinic / "facts" / "symptoms.yaml").read_text(encoding="utf-8").splitlines()
    assert made[0] == "# yaml-language-server: $schema=../docs/schema/facts.json"
    assert made[1].startswith("# TODO") and made[2] == "calf_ache:"
    unsaid = crampdx("new", "finding", "calf_heat")
    assert unsaid.exit_code == 2 and "facts/findings.yaml, facts/symptoms.yaml" in unsaid.stderr


def test_editors_are_remembered(clinic: Path) -> None:
    """Where schemas are at hand, it is said how to bring them up to date, for what adds a name to them."""
    (clinic / "docs" / "schema").mkdir(parents=True)
    said = crampdx("new", "finding", "calf_ache", "--write").stderr
    assert "crampdx schema --all docs/schema --knowledge ." in said
    assert "schema" not in crampdx("new", "case", "B", "--write").stderr


def test_a_review_there_is_printed_anew_and_not_written(clinic: Path) -> None:
    """A newer one replaces it, which is left to the author; the day is today's where none is said."""
    assert crampdx("new", "review", "example-rule", "--role", "author", "--date", "2026-02-28", "--write").exit_code == 0
    refused = crampdx("new", "review", "example-rule", "--role", "clinician", "--write")
    assert refused.exit_code == 2 and "rules/reviews.yaml:3" in refused.stderr
    printed = crampdx("new", "review", "example-rule", "--role", "clinician")
    assert printed.exit_code == 0 and "in place of the review at rules/reviews.yaml:3" in printed.stderr
    assert re.fullmatch(
        r"example-rule:\n  digest: [0-9a-f]{12}\n  date: 2\d{3}-\d\d-\d\d\n  role: clinician\n", printed.stdout
    )


SECTIONS = {
    "at the end": ("rules:\n  a: 1\n", "rules:\n  a: 1\n\n  new: 1\n"),
    "no line break at the end": ("rules:\n  a: 1", "rules:\n  a: 1\n\n  new: 1\n"),
    "before what follows": ("rules:\n  a: 1\n\n# why\nb: 2\n", "rules:\n  a: 1\n\n  new: 1\n\n# why\nb: 2\n"),
    "with a comment inside": ("rules:\n  # x\n# y\n  a: 1\nb: 2\n", "rules:\n  # x\n# y\n  a: 1\n\n  new: 1\nb: 2\n"),
    "as deep as the others": ("rules:\n    a: 1\n", "rules:\n    a: 1\n\n    new: 1\n"),
    "empty": ("rules: {}  # none\n", "rules:  # none\n  new: 1\n"),
    "not there": ("a: 1\n", "a: 1\n\nrules:\n  new: 1\n"),
    "other line breaks": ("rules:\r\n  a: 1\r\nb: 2\r\n", "rules:\r\n  a: 1\r\n\r\n  new: 1\r\nb: 2\r\n"),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_an_entry_goes_to_the_end_of_its_section(name: str) -> None:
    """And all else stays as it was."""
    before, after = SECTIONS[name]
    assert added(before, Addition("a.yaml", "new: 1", "rules")) == after


def test_any_text_is_one_clause() -> None:
    """What is typed as a clause cannot say anything else, whatever signs are in it."""
    for clause in ("example_finding", "a: b", "it's", "#", "- a", "[a, b]", "a\n  then: excludes", "x #y", "&a", "'", "é"):
        files = starter(built_in().weighing)
        files[ILLNESS] = added(files[ILLNESS], rule(ILLNESS, "typed", [clause], "supports"))
        _, problems = from_texts({f: t for f, t in files.items() if not f.startswith("tests")}, Problems())
        assert {p.place.line for p in problems.errors} <= {17}, clause
        assert bool(problems.errors) == (clause != "example_finding"), clause


def test_the_choices_of_the_commands_are_those_of_the_model() -> None:
    """They are written out there, so that `--help` need not read the model."""
    options = {
        p.name: p.type.choices for c in beginning.new.commands.values() for p in c.params if hasattr(p.type, "choices")
    }
    assert {name: tuple(found) for name, found in options.items()} == {"kind": KINDS, "known_by": KNOWERS, "tier": TIERS}
