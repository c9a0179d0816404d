"""docs/knowledge.md, the whole knowledge base in words: true today, complete, and readable as Markdown."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from crampdx.cli import main
from crampdx.engine.authoring.coverage import coverage_of
from crampdx.engine.authoring.handbook import anchor, handbook
from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.guarantees import Guarantee, read_guarantees
from crampdx.engine.knowledge.loader import BUILT_IN, GUARANTEES, from_texts
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems

from at_hand import CASES, ROOT, all_cases, built_in, cases_of

PAGE = ROOT / "docs" / "knowledge.md"
FEW_ENOUGH = 600_000  # bytes that GitHub still shows as a page

FILES = {
    "facts/findings.yaml": """\
ache: {title: An ache, ask: 'Does it ache?', kind: yes-no, known_by: patient}
burn: {title: A burn | or *two*, ask: 'Does it burn?', kind: yes-no, known_by: patient}
colour: {title: The colour, ask: 'Which colour?', kind: choice, known_by: examiner, choices: {pale: Pale, dark_red: Dark red}}
length:
  title: The length
  ask: How long?
  kind: quantity
  unit: cm
  decimals: 0
  plausible: 0 to 100
  reference: 10 to 20
  reference_source: unverified
  known_by: examiner
""",
    "rules/document.yaml": "".join(
        f"{tier}: {{heading: 'Tier {tier}', diagnoses: []}}\n"
        for tier in ("most_likely", "other_likely", "do_not_miss", "rare")
    ),
    "rules/weighing.yaml": "points: {weak: 1, moderate: 3, strong: 6}\nlevels: {possible: 3, likely: 6, unlikely: -3}\n",
    "rules/sources.yaml": """\
a-book: {citation: 'A book [1]', doi: 10.1/a, pmid: 12, checked: verified}
hearsay: {citation: Heard of, checked: unverified}
""",
    "rules/concepts.yaml": "trouble: {title: Trouble, when: burn, source: a-book}\n",
    "rules/red_flags.yaml": "danger: {title: Danger, when: burn, urgency: soon, action: Look, source: hearsay}\n",
    "rules/rare/illness.yaml": """\
title: Illness (an example)
summary: What it is
origin: beyond
advice:
  rest: {text: Rest, when: ache, unless: trouble, withheld: Not known, source: expert}
scores:
  tally:
    title: Tally
    points:
      ache: 1
      length >= 3 cm: 2
    one_of:
      - trouble: 3
        colour is pale: 2
    asserted_only:
      not burn: -1
    source: a-book
rules:
  by-much:
    title: By much
    when:
      not:
        any:
          - not ache
          - at least 2 of:
              - trouble
              - not length > 30 cm
              - length above range
              - colour is one of pale, dark_red
    then: supports
    source: a-book
  by-tally: {title: By tally, when: tally >= 2 points, then: weakly opposes, cluster: one, source: [a-book, expert]}
""",
}
PROMISES = """\
rest-is-withheld: {title: Withheld, hazard: Harm, whenever: burn, then: advice rest withheld}
urgent: {title: Urgent, hazard: Harm, whenever: burn, then: urgency at least soon}
"""
PATIENTS = """\
- {case: One, given: {ache: yes, burn: no}}
- {case: Two, given: {burn: yes}}
- {case: Three, given: {ache: no}}
"""


@cache
def small() -> tuple[Knowledge, tuple[Case, ...], tuple[Guarantee, ...]]:
    problems = Problems()
    knowledge, _ = from_texts(FILES, problems)
    assert knowledge is not None and not problems.errors, problems.errors
    cases = read_cases(PATIENTS, "cases.yaml", knowledge, problems)
    guarantees = read_guarantees(PROMISES, "guarantees.yaml", knowledge, problems)
    assert not problems.errors, problems.errors
    return knowledge, cases, guarantees


def entry(page: str, id: str) -> str:
    """What stands under the heading of an id."""
    return re.split(r"^#+ ", page.split(f"\n#### {id}\n")[1], flags=re.MULTILINE)[0].strip("\n")


@pytest.fixture(scope="module", name="page")
def _page() -> str:
    problems = Problems()
    promises = (BUILT_IN / GUARANTEES).read_text(encoding="utf-8")
    return handbook(built_in(), all_cases(), read_guarantees(promises, GUARANTEES, built_in(), problems))


def test_the_page_is_true(page: str) -> None:
    """docs/knowledge.md is what the knowledge base and the cases say now."""
    assert PAGE.read_text(encoding="utf-8") == page, "write it anew: crampdx reference > docs/knowledge.md"


def test_the_page_is_small_enough_to_be_shown(page: str) -> None:
    assert len(page.encode()) < FEW_ENOUGH


def test_everything_has_one_heading_and_every_link_leads_to_one(page: str) -> None:
    """All that has a source, all sources and guarantees, each once; links to the evidence page lead to its headings."""
    headings = [anchor(heading) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)]
    assert len(headings) == len(set(headings))
    guarantees = re.findall(r"^([a-z-]+):$", (BUILT_IN / GUARANTEES).read_text(encoding="utf-8"), re.MULTILINE)
    knowledge = built_in()
    assert {*knowledge.sourced, *knowledge.sources, *guarantees} <= set(headings)
    evidence = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    elsewhere = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", evidence, re.MULTILINE)}
    links = re.findall(r"\]\((evidence\.md)?#([^)]*)\)", page)
    assert len(links) > 1000
    for other, heading in links:
        assert heading in (elsewhere if other else headings), heading


def test_the_command_prints_it() -> None:
    """With the cases that are named."""
    printed = CliRunner().invoke(main, ["reference", str(CASES / "everyday.yaml")])
    assert printed.exit_code == 0
    assert printed.output.startswith("# What this knowledge base says\n")
    assert "in 20 cases" in printed.output


def test_of_a_knowledge_base_of_ones_own(tmp_path: Path) -> None:
    """Where it has no guarantee, none stands there; one that cannot be read is shown with its place, and so is a bad case."""
    for file, text in FILES.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    cases = tmp_path / "cases.yaml"
    cases.write_text(PATIENTS, encoding="utf-8")
    command = ["reference", str(cases), "--knowledge", str(tmp_path)]
    assert "## Guarantees\n\nNone.\n" in CliRunner().invoke(main, command).output
    (tmp_path / GUARANTEES).write_text("urgent: {title: Urgent}\n", encoding="utf-8")
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 3
    assert f"{GUARANTEES}:1:" in refused.output
    (tmp_path / GUARANTEES).unlink()
    cases.write_text("- {case: One, given: {nothing: yes}}\n", encoding="utf-8")
    assert CliRunner().invoke(main, command).exit_code == 4
    (tmp_path / "none").mkdir()
    assert CliRunner().invoke(main, ["reference", str(tmp_path / "none")]).exit_code == 5


def test_a_rule_in_words() -> None:
    """What is denied is said as it is; a limit, a choice and a range stand in words, what has a heading is linked."""
    assert entry(handbook(*small()), "by-much").splitlines() == [
        "**By much**",
        "",
        "- **supports** (+3)",
        "- source: [a-book](#a-book)",
        "- fires in 0 cases, known not to in 1",
        "- not reviewed",
        "",
        "Fires when:",
        "",
        "- none of:",
        "  - **not** An ache",
        "  - at least 2 of:",
        "    - [Trouble](#trouble)",
        "    - The length: 30 cm or less",
        "    - The length: above its reference interval of 10 to 20",
        "    - The colour: pale or dark red",
    ]


def test_a_score_as_a_table() -> None:
    """Every item stands in it, with how it counts where that is not simply added."""
    table = entry(handbook(*small()), "tally").split("\n\n")[-1].splitlines()
    assert table == [
        "| points | for |",
        "|---:|---|",
        "| 1 | An ache |",
        "| 2 | The length: 3 cm or more |",
        "| 3 | [Trouble](#trouble), the first that holds of its group |",
        "| 2 | The colour: pale, the first that holds of its group |",
        "| -1 | **not** A burn \\| or \\*two\\*, shown but outside the total |",
    ]


def test_advice_with_its_gates_and_its_promise() -> None:
    """What is promised of a thing by name is linked from it, and links back."""
    page = handbook(*small())
    rest = entry(page, "rest")
    assert "- guaranteed by [`rest-is-withheld`](#rest-is-withheld)" in rest
    assert "Given only while:\n\n- An ache\n\nNever given once:\n\n- [Trouble](#trouble)\n\nWithheld: Not known" in rest
    assert "- promised: advice [`rest`](#rest) withheld" in entry(page, "rest-is-withheld")
    assert "- promised: urgency at least soon" in entry(page, "urgent")


def test_what_rests_on_no_source_is_listed_for_review() -> None:
    """By its own word, or by a source that is from memory; a reference interval, too; and nothing else."""
    table = handbook(*small()).split("\n## For review\n")[1]
    rows = [[cell.strip() for cell in line.split(" | ")] for line in table.splitlines() if line.startswith("| ")][1:]
    assert [(row[0].removeprefix("| "), row[1], row[3]) for row in rows] == [
        ("rule", "[`by-tally`](#by-tally)", "expert"),
        ("red flag", "[`danger`](#danger)", "hearsay"),
        ("advice", "[`rest`](#rest)", "expert"),
        ("finding", "`length`", "unverified"),
    ]


def test_a_source_with_its_numbers() -> None:
    """A link by DOI and by PMID, how it was checked, and how much rests on it."""
    assert entry(handbook(*small()), "a-book").splitlines() == [
        "A book \\[1\\]",
        "",
        "- [doi:10.1/a](https://doi.org/10.1/a), [PMID 12](https://pubmed.ncbi.nlm.nih.gov/12/), verified",
        "- rests on it: 4",
    ]


def test_cases_are_counted_as_coverage_counts_them() -> None:
    """Fired and known not to, for all rules; silent because nothing is known is neither."""
    cases = cases_of("published.yaml")
    page = handbook(built_in(), cases, ())
    seen = coverage_of(built_in(), cases).seen
    counts = {(t.owner, t.what): sum(origins.values()) for t, origins in seen.items() if t.kind == "rule"}
    for rule in built_in().rules:
        found = re.search(r"^- fires in (\d+) cases?, known not to in (\d+)$", entry(page, rule), re.MULTILINE)
        assert found is not None
        assert (int(found[1]), int(found[2])) == (counts[rule, "fired"], counts[rule, "not fired"]), rule
