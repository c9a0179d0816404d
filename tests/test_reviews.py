"""Reviews: of what a thing says, so that a change makes them stale; counted in each report, and no part of the knowledge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from crampdx.cli import main
from crampdx.engine.authoring.reference import review_of
from crampdx.engine.knowledge.canonical import digest
from crampdx.engine.knowledge.loader import from_texts, load
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems

from at_hand import ROOT, built_in

WEIGHING = """\
points: {weak: 1, moderate: 3, strong: 6}
levels: {possible: 3, likely: 6, unlikely: -3}
"""
FILES = {
    "facts/findings.yaml": "".join(
        f"{name}: {{title: '{name}', ask: 'Is it {name}?', kind: yes-no, known_by: patient}}\n"
        for name in ("ache", "burn", "chill")
    ),
    "rules/document.yaml": "".join(
        f"{tier}: {{heading: '{tier}', diagnoses: []}}\n" for tier in ("most_likely", "other_likely", "do_not_miss", "rare")
    ),
    "rules/weighing.yaml": WEIGHING,
    "rules/concepts.yaml": "trouble: {title: Trouble, when: burn, source: expert}\n",
    "rules/red_flags.yaml": "danger: {title: Danger, when: chill, urgency: soon, action: Look, source: expert}\n",
    "rules/notes.yaml": """\
notes:
  a-note: {title: A note, about: something, when: ache, text: Note, source: expert}
scope:
  a-limit: {title: A limit, when: chill, text: Limit, source: expert}
""",
    "rules/rare/illness.yaml": """\
title: Illness
summary: An illness
origin: beyond
advice:
  rest:
    text: Rest
    when: ache
    withheld: Not known to ache
    source: expert
scores:
  tally:
    title: Tally
    points:
      ache: 1
      burn: 1
    source: expert
rules:
  by-ache:
    title: It aches
    when: ache
    then: supports
    source: expert
  by-trouble:
    title: There is trouble
    when: trouble
    then: supports
    source: expert
  by-tally:
    title: They tally
    when: tally >= 2 points
    then: supports
    source: expert
""",
}
CAN_BE_REVIEWED = ("a-limit", "a-note", "by-ache", "by-tally", "by-trouble", "danger", "rest", "tally", "trouble")


def parsed(files: dict[str, str]) -> tuple[Knowledge, Problems]:
    knowledge, problems = from_texts(files, Problems())
    assert knowledge is not None
    return knowledge, problems


def entry(id: str, digest: str, date: str = "2026-01-31", role: str = "clinician") -> str:
    return f"{id}:\n  digest: {digest}\n  date: {date}\n  role: {role}\n"


def reviewed(*ids: str) -> dict[str, str]:
    """The files, with these reviewed as they stand."""
    things = parsed(FILES)[0].sourced
    return {**FILES, "rules/reviews.yaml": "".join(entry(id, digest(things[id])) for id in ids)}


def codes(problems: Problems) -> list[str]:
    return [p.code for p in (*problems.errors, *problems.warnings)]


def test_whatever_concludes_or_says_something_can_be_reviewed() -> None:
    """Rules, red flags, notes, notices of scope, advice, concepts and scores; and then nothing is to be complained of."""
    knowledge, problems = parsed(reviewed(*CAN_BE_REVIEWED))
    assert not problems.found
    assert sorted(knowledge.sourced) == list(CAN_BE_REVIEWED)
    assert knowledge.reviewed == set(CAN_BE_REVIEWED)


def test_a_file_of_comments_says_that_nothing_is_reviewed() -> None:
    """As the one that is shipped; with anything else in it, it is read like any other."""
    for text in ("", "# none yet\n\n  # nor here\n"):
        knowledge, problems = parsed({**FILES, "rules/reviews.yaml": text})
        assert not problems.found and not knowledge.reviewed
    assert codes(from_texts({**FILES, "rules/reviews.yaml": "# none\n---\n"}, Problems())[1]) == ["empty-file"]
    assert codes(from_texts({**FILES, "rules/reviews.yaml": "- a\n"}, Problems())[1]) == ["not-a-mapping"]


CHANGES = {
    "by-ache": ("title: It aches", "title: It really aches"),
    "by-trouble": (
        "then: supports\n    source: expert\n  by-tally",
        "then: weakly supports\n    source: expert\n  by-tally",
    ),
    "by-tally": ("tally >= 2 points", "tally >= 1 points"),
    "rest": ("text: Rest", "text: Rest well"),
    "tally": ("burn: 1", "burn: 2"),
    "trouble": ("when: burn", "when: not burn"),
    "danger": ("urgency: soon", "urgency: same day"),
    "a-note": ("text: Note", "text: Noted"),
    "a-limit": ("when: chill, text: Limit", "when: burn, text: Limit"),
}


@pytest.mark.parametrize("id", CHANGES)
def test_a_review_is_stale_once_the_thing_says_something_else(id: str) -> None:
    """That review and no other, with a warning at its place that says when it was."""
    before, after = CHANGES[id]
    files = reviewed(*CAN_BE_REVIEWED)
    changed = {name: text.replace(before, after) for name, text in files.items()}
    assert changed != files
    knowledge, problems = parsed(changed)
    (problem,) = problems.found
    assert problem.headline() == (
        f"rules/reviews.yaml:{4 * CAN_BE_REVIEWED.index(id) + 1}:1: warning[review-stale]: "
        f"'{id}' has changed since its review of 2026-01-31 (clinician)"
    )
    assert knowledge.reviewed == set(CAN_BE_REVIEWED) - {id}


def test_how_a_thing_is_spelt_makes_no_review_stale() -> None:
    """Comments, order, quotes and places are not what it says."""
    files = reviewed(*CAN_BE_REVIEWED)
    head, rules = files["rules/rare/illness.yaml"].split("rules:\n")
    spelt = "# A comment\n" + head.replace("text: Rest", "text: 'Rest'") + "\n\nrules:\n  # Why\n" + rules
    knowledge, problems = parsed({**files, "rules/rare/illness.yaml": spelt.replace("when: ache", "when:   ache  # so")})
    assert not problems.found and knowledge.reviewed == set(CAN_BE_REVIEWED)


WRONG = {
    "no such id": (entry("by-ake", "0" * 12), "1:1: error[review-unknown]", "did you mean 'by-ache'"),
    "a finding": (entry("ache", "0" * 12), "1:1: error[review-unknown]", ""),
    "digest": (entry("by-ache", "abc"), "2:11: error[review-malformed]", "12 of 0-9 and a-f"),
    "capitals": (entry("by-ache", "A" * 12), "2:11: error[review-malformed]", "12 of 0-9 and a-f"),
    "month": (entry("by-ache", "0" * 12, date="2026-13-01"), "3:9: error[review-malformed]", "YEAR-MONTH-DAY"),
    "day": (entry("by-ache", "0" * 12, date="2026-02-29"), "3:9: error[review-malformed]", "YEAR-MONTH-DAY"),
    "order": (entry("by-ache", "0" * 12, date="31-01-2026"), "3:9: error[review-malformed]", "YEAR-MONTH-DAY"),
    "a name": (entry("by-ache", "0" * 12, role="Jo Bloggs"), "4:9: error[review-malformed]", "never a name"),
    "an address": (entry("by-ache", "0" * 12, role="jo@example.org"), "4:9: error[review-malformed]", "never a name"),
    "a number": (entry("by-ache", "0" * 12, role="clinician 2"), "4:9: error[review-malformed]", "never a name"),
    "no role": (entry("by-ache", "0" * 12).split("  role")[0], "2:3: error[missing-key]", ""),
    "a person": (entry("by-ache", "0" * 12) + "  by: somebody\n", "5:3: error[unknown-key]", "digest, date, role"),
    "twice": (entry("by-ache", "0" * 12) * 2, "5:1: error[duplicate-key]", "first at line 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_review_that_cannot_be_one_is_an_error(name: str) -> None:
    """At its place, with what would put it right."""
    text, headline, help = WRONG[name]
    _, problems = from_texts({**FILES, "rules/reviews.yaml": text}, Problems())
    (problem,) = problems.errors
    assert problem.headline().startswith(f"rules/reviews.yaml:{headline}")
    assert help in problem.help


def test_a_file_that_cannot_be_read_makes_no_review_unknown() -> None:
    """What it defines is missing for another reason, which is reported."""
    files = {**reviewed("by-ache"), "rules/rare/illness.yaml": "title: [\n"}
    assert codes(from_texts(files, Problems())[1]) == ["yaml-syntax"]


def test_reviews_are_no_part_of_the_knowledge() -> None:
    """The hash is the same with and without them, stale ones among them; the shipped file changes nothing either."""
    bare = parsed(FILES)[0].hash
    assert parsed(reviewed(*CAN_BE_REVIEWED))[0].hash == bare
    assert parsed({**FILES, "rules/reviews.yaml": entry("by-ache", "0" * 12)})[0].hash == bare
    assert not built_in().reviews


def test_a_digest_is_of_all_that_a_thing_says() -> None:
    """Each field of a rule changes it, but not its place."""
    rule = parsed(FILES)[0].rules["by-ache"]
    others = [
        *(replace(rule, id="other"), replace(rule, diagnosis="other"), replace(rule, title="other")),
        *(replace(rule, then="opposes"), replace(rule, source=("other",)), replace(rule, evidence=("IC01",))),
        *(
            replace(rule, cluster="other"),
            replace(rule, scope="other"),
            replace(rule, when=parsed(FILES)[0].rules["by-tally"].when),
        ),
    ]
    assert len({digest(thing) for thing in (rule, *others)}) == len(others) + 1
    assert digest(replace(rule, place=rule.place._replace(line=99))) == digest(rule)


# What is printed -----------------------------------------------------------------------------------------------------


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A knowledge base in which a rule, a note, a concept and a notice of scope are reviewed, and the advice was once."""
    files = reviewed("by-ache", "a-note", "trouble", "a-limit", "rest")
    files["rules/rare/illness.yaml"] = files["rules/rare/illness.yaml"].replace("text: Rest", "text: Lie down")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


PATIENTS = {  # given: what was used, and how much of that is reviewed
    "ache: yes": (3, 2),  # the rule and the note; the advice has changed
    "ache: yes\n  burn: yes": (5, 2),  # by-trouble and by-tally as well: a concept under a rule is not counted
    "ache: yes\n  chill: yes": (4, 2),  # the red flag; a notice of scope is no rule
    "burn: yes": (1, 0),  # by-trouble makes it possible; advice that is withheld is not counted
    "burn: no": (0, 0),
}


@pytest.mark.parametrize("given", PATIENTS)
def test_a_report_says_how_much_of_it_is_reviewed(folder: Path, given: str) -> None:
    """As text near its end, and as data; nothing in the text where it rests on nothing."""
    used, done = PATIENTS[given]
    arguments = ["diagnose", "-", "--knowledge", str(folder)]
    text = CliRunner().invoke(main, arguments, input=f"given:\n  {given}\n").stdout
    line = f"Reviewed: {done} of {used} rule{'' if used == 1 else 's'} used here."
    assert [x for x in text.splitlines()[-4:] if x.startswith("Reviewed")] == ([line] if used else [])
    assert text.count("Reviewed") == bool(used)
    document = json.loads(CliRunner().invoke(main, [*arguments, "--format", "json"], input=f"given:\n  {given}\n").stdout)
    assert document["cases"][0]["reviewed"] == {"used": used, "reviewed": done}


def test_show_says_the_digest_and_how_the_review_stands(folder: Path) -> None:
    """Of what can be reviewed, and of nothing else; a digest that can be copied into the file."""
    knowledge = load(folder)

    def last_line(id: str) -> str:
        return CliRunner().invoke(main, ["show", id, "--knowledge", str(folder)]).stdout.splitlines()[-1]

    stands = {
        "by-ache": "reviewed 2026-01-31 (clinician)",
        "rest": "changed since its review of 2026-01-31 (clinician)",
        "danger": "not reviewed",
    }
    for id, words in stands.items():
        assert last_line(id) == f"# digest {digest(knowledge.sourced[id])}, {words}"
    for id in ("ache", "illness"):
        assert not review_of(knowledge, id) and "digest" not in last_line(id)


def test_what_new_review_prints_is_a_review_that_stands(folder: Path) -> None:
    """In place of the stale one, the check has nothing left to warn of."""

    def checked() -> str:
        return CliRunner().invoke(main, ["check", "--knowledge", str(folder)]).stdout

    assert "warning[review-stale]: 'rest'" in checked()
    file = folder / "rules" / "reviews.yaml"
    command = ["new", "review", "rest", "--role", "pharmacist", "--date", "2026-02-01", "--knowledge", str(folder)]
    text = file.read_text(encoding="utf-8").split("rest:")[0] + CliRunner().invoke(main, command).stdout
    file.write_text(text, encoding="utf-8")
    assert "0 errors, 0 warnings" in checked()
    assert load(folder).reviews["rest"].role == "pharmacist"


def test_the_shipped_file_tells_how_and_names_nobody() -> None:
    """Its example is a review in form, once the comment signs are taken off."""
    lines = (ROOT / "rules" / "reviews.yaml").read_text(encoding="utf-8").splitlines()
    example = "\n".join(line.removeprefix("#   ") for line in lines if line.startswith("#   "))
    _, problems = from_texts({**FILES, "rules/reviews.yaml": example.replace("some-rule", "by-ache")}, Problems())
    assert codes(problems) == ["review-stale"]
