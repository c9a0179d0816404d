"""`crampdx check` in full: a corpus of planted defects, comments that ignore, the catalogue of codes, and the three formats."""

from __future__ import annotations

import ast
import itertools
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from planted import (
    BASE,
    CLOT,
    CONCEPTS,
    FLAGS,
    PLANTED,
    STRAIN,
    Planted,
    Texts,
    edited,
    marked,
    rule,
    with_rules,
)

from crampdx.cli import BAD_KNOWLEDGE, DONE, FINDINGS, NOTHING, main
from crampdx.engine.authoring.annotations import github_line
from crampdx.engine.authoring.clauses import normal
from crampdx.engine.authoring.codes import BOTH, CASES, CATALOGUE, CHECK, KNOWLEDGE, OF_COMMENTS, PROOF, explained
from crampdx.engine.authoring.doubts import doubts
from crampdx.engine.authoring.ignores import Ignored, settle
from crampdx.engine.knowledge.loader import BUILT_IN, from_texts, read
from crampdx.engine.knowledge.model import LEAVES, Answer, Condition
from crampdx.engine.knowledge.problems import ERROR, WARNING, Place, Problem, Problems
from crampdx.engine.knowledge.quantities import Interval
from crampdx.engine.knowledge.truth import combined, leaf_truth


def checked(texts: Texts) -> tuple[list[Problem], tuple[Ignored, ...]]:
    """What `crampdx check` tells of a knowledge base, and what its comments ignore."""
    knowledge, problems = from_texts(texts, Problems())
    ignored = doubts(knowledge, problems) if knowledge is not None else ()
    return [*problems.errors, *problems.warnings], ignored


OF_CHECK = [planted for planted in PLANTED if CATALOGUE[planted.code].found_by == CHECK]


@pytest.mark.parametrize("planted", OF_CHECK, ids=lambda planted: planted.name.replace(" ", "-"))
def test_a_planted_defect_is_found_where_it_is(planted: Planted) -> None:
    """With its code, its severity and its place; nothing else is told but what follows from it. Its clean twin is silent."""
    twin = edited(BASE, planted.before)
    assert [problem.headline() for problem in checked(twin)[0]] == []
    texts, place = marked(edited(twin, planted.edits))
    found, _ = checked(texts)
    assert (planted.code, place) in {(p.code, str(p.place)) for p in found}, [p.headline() for p in found]
    assert {p.code for p in found} == {planted.code, *planted.also}, [p.headline() for p in found]
    assert {p.severity for p in found if p.code == planted.code} == {CATALOGUE[planted.code].severity}


# The catalogue -------------------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]
TOLD_IN = [path for room in ("knowledge", "authoring", "proof") for path in (ROOT / "engine" / room).glob("*.py")]
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
NO_CODES = {"yes-no", "utf-8", "self-check"}  # words with a hyphen that are no code
BUILT = {"yaml-syntax", "json-syntax"}  # put together from the name of the form
# Before there is a text to plant anything in; tests/test_bad_input.py has them all, beside those of case files.
OF_FILES = {"byte-order-mark", "missing-file", "no-such-folder", "not-utf-8", "too-large", "unreadable"}


def codes_told() -> tuple[set[str], set[str]]:
    """Of all that the rooms say: what is certainly a code, as it is added to problems, and every text that may be one."""
    certain: set[str] = set()
    possible: set[str] = set()
    for path in TOLD_IN:
        if path.name == "codes.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                possible.add(node.value)
            name = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            if isinstance(node, ast.Call) and (
                name in ("add", "_doubt") or (isinstance(node.func, ast.Name) and node.func.id == "_doubt")
            ):
                texts = {a.value for a in node.args[1:3] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
                certain |= {t for t in texts if KEBAB.fullmatch(t) or t in CATALOGUE}
    return certain, possible


def test_every_code_is_in_the_catalogue_and_every_entry_is_told() -> None:
    certain, possible = codes_told()
    assert len(certain) > 90
    assert certain - NO_CODES <= CATALOGUE.keys()
    assert CATALOGUE.keys() - BUILT <= possible


def test_what_is_found_and_not_only_added_is_in_the_catalogue() -> None:
    """Whatever the corpus brings to light, by whatever way it was told."""
    for planted in PLANTED:
        assert {planted.code, *planted.also} <= CATALOGUE.keys()


def test_every_code_about_knowledge_is_planted() -> None:
    """But for those of files that are no text yet, and what only a proof finds."""
    wanted = {entry.code for entry in CATALOGUE.values() if entry.about != CASES and entry.found_by == CHECK}
    assert {planted.code for planted in OF_CHECK} == wanted - OF_FILES
    assert len({planted.name for planted in PLANTED}) == len(PLANTED)


@pytest.mark.parametrize("code", CATALOGUE)
def test_an_entry_is_whole(code: str) -> None:
    entry = CATALOGUE[code]
    assert entry.severity in (ERROR, WARNING)
    assert entry.about in (KNOWLEDGE, CASES, BOTH)
    assert entry.bad != entry.good
    for sentence in (entry.says, entry.why, entry.fix):
        assert sentence[:1] != sentence[:1].lower() or sentence[0] in "'#`0w", sentence
        assert "\n" not in sentence
    assert entry.says.endswith(".")
    text = explained(code)
    for part in (entry.bad, entry.good):
        assert all(line in text for line in part.split("\n"))
    assert ("crampdx: ignore[" in text) == (entry.severity == WARNING and entry.about == KNOWLEDGE) or code in OF_COMMENTS


# Comments that ignore ------------------------------------------------------------------------------------------------

IGNORE = "# crampdx: ignore[double-counting] because a test wants it"
TWICE = edited(BASE, (with_rules(rule("clot-by-ache", "any:\n  - calf_redness\n  - pregnant")),))
HERE = "  clot-in-pregnancy:\n"


@pytest.mark.parametrize(
    "lines",
    [
        f"  clot-in-pregnancy:  {IGNORE}\n",
        f"  {IGNORE}\n  clot-in-pregnancy:\n",
        f"  {IGNORE}\n  # Another comment, and an empty line.\n\n  clot-in-pregnancy:\n",
        "  # crampdx:ignore[ double-counting ]  because a test wants it \n  clot-in-pregnancy:\n",
    ],
)
def test_a_comment_ignores_a_warning_of_its_line(lines: str) -> None:
    """At the end of the line or above it; the reason is handed on."""
    assert [p.code for p in checked(TWICE)[0]] == ["double-counting"]
    found, ignored = checked(edited(TWICE, ((CLOT, HERE, lines),)))
    assert found == []
    assert [(i.problem.code, i.reason) for i in ignored] == [("double-counting", "a test wants it")]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (HERE, f"{HERE.rstrip()}  {IGNORE.split(' because')[0]}\n", "ignore-without-reason"),
        (HERE, f"{HERE.rstrip()}  {IGNORE.replace('double-counting', 'names-a-dose')}\n", "unused-ignore"),
        (HERE, f"{HERE.rstrip()}  {IGNORE.replace('double-counting', 'double-count')}\n", "unknown-code"),
        ("    when: pregnant\n", f"    when: pregnant  {IGNORE}\n", "unused-ignore"),
    ],
)
def test_a_comment_ignores_nothing_otherwise(old: str, new: str, told: str) -> None:
    """Not without a reason, nor another code, nor at another line."""
    found, ignored = checked(edited(TWICE, ((CLOT, old, new),)))
    assert {p.code for p in found} == {"double-counting", told}
    assert ignored == ()


def test_an_error_cannot_be_ignored() -> None:
    """The error stands, and comments are not judged beside it."""
    wrong = (STRAIN, "when: calf_pain", "when: calf_pian  # crampdx: ignore[unknown-name] because I say so")
    found, ignored = checked(edited(BASE, (wrong,)))
    assert [p.code for p in found] == ["unknown-name"]
    assert ignored == ()


def test_errors_stay_and_what_a_proof_finds_is_settled_after_it() -> None:
    """A comment about what only a proof finds is judged once there has been one."""
    problems = Problems()
    problems.keep_text(CLOT, "then: that  # crampdx: ignore[not-a-promise] because I say so")
    problems.add(Place(CLOT, 1, 7), "not-a-promise", "'that' promises nothing")
    assert CATALOGUE["not-a-promise"].found_by == PROOF
    assert settle(problems) == ()
    assert [p.code for p in problems.found] == ["not-a-promise"]
    assert settle(problems, proved=True) == ()
    assert [p.code for p in problems.found] == ["not-a-promise", "unused-ignore"]


def test_a_doubt_about_a_whole_file_is_ignored_at_its_top() -> None:
    """Its place is the first line, which may be a comment itself."""
    urgency = (CLOT, "urgency:\n  possible: same day\n  likely: emergency\n", "")
    top = (CLOT, "title: Clot\n", "# About clots.\n# crampdx: ignore[no-urgency] because a test wants it\ntitle: Clot\n")
    found, ignored = checked(edited(BASE, (urgency, top)))
    assert found == []
    assert [i.problem.code for i in ignored] == ["no-urgency"]


def test_comments_and_partitions_leave_the_hash_alone() -> None:
    bare, _ = from_texts(BASE, Problems())
    texts = edited(BASE, ((STRAIN, "title: Strain\n", f"title: Strain  {IGNORE}\n"),))
    texts[CONCEPTS] = texts[CONCEPTS].replace("  partition: potassium-bands\n", "")
    other, _ = from_texts(texts, Problems())
    assert bare is not None
    assert other is not None
    assert bare.hash == other.hash


# What is meant -------------------------------------------------------------------------------------------------------

SAME = (
    ("calf_pain", "not:\n  not calf_pain"),
    ("all:\n  - calf_pain\n  - pregnant", "all:\n  - pregnant\n  - all:\n      - calf_pain\n      - pregnant"),
    ("not:\n  all:\n    - calf_pain\n    - pregnant", "any:\n  - not pregnant\n  - not calf_pain"),
    ("not:\n  at least 2 of:\n    - calf_pain\n    - pregnant\n    - other_cause", None),
    ("age < 65 years", "not age >= 65 years"),
    ("at least 1 of:\n  - calf_pain\n  - pregnant", "any:\n  - calf_pain\n  - pregnant"),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_normal_form_keeps_the_meaning(one: str, other: str | None) -> None:
    """Conditions that say the same become equal, and each keeps its value whatever is known."""
    conditions = []
    for when in (one, other or one):
        knowledge, problems = from_texts(edited(BASE, (with_rules(rule("clot-new", when)),)), Problems())
        assert knowledge is not None
        assert not problems.errors
        conditions.append(knowledge.rules["clot-new"].when)
    assert normal(conditions[0]) == normal(conditions[1])
    truths = {"calf_pain", "pregnant", "other_cause"}
    for values in itertools.product((True, False, None), repeat=len(truths)):
        known = dict(zip(sorted(truths), values, strict=True))
        for age in (64, 65, None):

            def read(leaf: Condition, known: dict[str, bool | None] = known, age: int | None = age) -> bool | None:
                assert isinstance(leaf, LEAVES)
                if leaf.name != "age":
                    return known[leaf.name]
                year = None if age is None else Interval(Decimal(age), Decimal(age))
                return leaf_truth(leaf, {} if year is None else {"age": Answer(quantity=year)})

            for condition in conditions:
                assert combined(condition, read) is combined(normal(condition), read)


def test_grades_in_one_cluster_are_no_duplicates() -> None:
    """Different limits with different strengths in one cluster are how a grading is written; so are score bands."""
    graded = rule("clot-in-age", "age >= 85 years", "supports", "cluster: person")
    assert checked(edited(BASE, (with_rules(graded),)))[0] == []


def test_the_built_in_knowledge_has_no_findings() -> None:
    """And what its comments ignore has a reason each."""
    knowledge, problems = read(BUILT_IN)
    assert knowledge is not None
    ignored = doubts(knowledge, problems)
    assert [p.headline() for p in (*problems.errors, *problems.warnings)] == []
    assert ignored
    assert all(len(entry.reason.split()) > 3 for entry in ignored)


# The commands --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="here")
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a knowledge base of one warning and one that is ignored."""
    twice = (CLOT, "  clot-in-pregnancy:\n", f"  {IGNORE}\n  clot-in-pregnancy:\n")
    dose = (FLAGS, "Record an electrocardiogram", "Give 50% of 40 mg, then wait")
    texts = edited(BASE, (with_rules(rule("clot-by-ache", "any:\n  - calf_redness\n  - pregnant")), twice, dose))
    for name, text in texts.items():
        (tmp_path / "base" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "base" / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, [*arguments])
    assert "Traceback" not in result.output
    return result


@pytest.mark.usefixtures("here")
def test_check_as_text() -> None:
    result = run("check", "--knowledge", "base")
    assert result.exit_code == DONE
    first, *_, last = result.stdout.strip().split("\n")
    assert first == "base/rules/red_flags.yaml:1:1: warning[names-a-dose]: 'low-potassium' names a dose: '40 mg'"
    assert last.endswith(": 0 errors, 1 warning (1 ignored)")
    assert run("check", "--strict", "--knowledge", "base").exit_code == FINDINGS


def test_check_as_json(here: Path) -> None:
    result = run("check", "--format", "json", "--knowledge", "base")
    assert result.exit_code == DONE
    document = json.loads(result.stdout)
    assert list(document) == ["schema_version", "version", "knowledge", "problems", "ignored"]
    assert document["problems"] == [
        {
            "file": "base/rules/red_flags.yaml",
            "line": 1,
            "column": 1,
            "code": "names-a-dose",
            "message": "'low-potassium' names a dose: '40 mg'",
            "help": "say what is to be done, and leave doses to who prescribes",
            "severity": "warning",
        }
    ]
    assert [(entry["code"], entry["reason"]) for entry in document["ignored"]] == [("double-counting", "a test wants it")]
    (here / "base" / STRAIN).write_text("title: Strain\n", encoding="utf-8")
    broken = run("check", "--format", "json", "--knowledge", "base")
    assert broken.exit_code == BAD_KNOWLEDGE
    assert json.loads(broken.stdout)["knowledge"] is None
    assert {entry["severity"] for entry in json.loads(broken.stdout)["problems"]} == {"error"}


@pytest.mark.usefixtures("here")
def test_check_for_github() -> None:
    result = run("check", "--format", "github", "--knowledge", "base")
    assert result.exit_code == DONE
    assert result.stdout == (
        "::warning file=base/rules/red_flags.yaml,line=1,col=1,title=names-a-dose::'low-potassium' names a dose: '40 mg'"
        "%0Ahelp: say what is to be done, and leave doses to who prescribes\n"
    )


def test_a_github_line_is_one_line_that_cannot_be_mistaken() -> None:
    """What would end the command, or one of its properties, is escaped."""
    problem = Problem(Place("a,b:c%.yaml", 3, 7), "tab", "50 %\r\n::error::no", severity=ERROR)
    assert github_line(problem) == "::error file=a%2Cb%3Ac%25.yaml,line=3,col=7,title=tab::50 %25%0D%0A::error::no"


def test_the_list_and_the_explanations() -> None:
    """Every code has its line; an unknown one is met with a suggestion."""
    lines = run("check", "--list").stdout.strip().split("\n")
    assert [line.split()[0] for line in lines] == sorted(CATALOGUE)
    assert [line.split()[1] for line in lines] == [entry.severity for entry in CATALOGUE.values()]
    result = run("explain-check", "double-counting")
    assert result.exit_code == DONE
    assert CATALOGUE["double-counting"].why in " ".join(result.stdout.split())
    unknown = run("explain-check", "double-count")
    assert unknown.exit_code == NOTHING
    assert unknown.stdout == ""
    assert "did you mean 'double-counting'" in unknown.stderr
