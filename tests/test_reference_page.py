"""docs/knowledge.md and its pages, the whole knowledge base in words: true today, complete, and readable as Markdown."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from crampdx.cli import main
from crampdx.engine.authoring.coverage import coverage_of
from crampdx.engine.authoring.handbook import FIRST, handbook, handbook_pages
from crampdx.engine.authoring.judgement import judged
from crampdx.engine.authoring.markdown import anchor, way
from crampdx.engine.knowledge.canonical import digest
from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.guarantees import Guarantee, read_guarantees
from crampdx.engine.knowledge.loader import BUILT_IN, GUARANTEES, from_texts
from crampdx.engine.knowledge.model import Knowledge, Review
from crampdx.engine.knowledge.problems import Problems

from at_hand import CASES, ROOT, all_cases, built_in, cases_of

DOCS = ROOT / "docs"
FEW_ENOUGH = 300_000  # bytes that a Git host shows as a page, and a browser at once
ANEW = "write them anew: crampdx reference --pages docs"

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


@cache
def promises() -> tuple[Guarantee, ...]:
    text = (BUILT_IN / GUARANTEES).read_text(encoding="utf-8")
    return read_guarantees(text, GUARANTEES, built_in(), Problems())


@pytest.fixture(scope="module", name="page")
def _page() -> str:
    """All on one page."""
    return handbook(built_in(), all_cases(), promises())


@pytest.fixture(scope="module", name="pages")
def _pages() -> dict[str, str]:
    return handbook_pages(built_in(), all_cases(), promises())


def headings(page: str) -> list[str]:
    return [anchor(heading) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)]


def links(page: str, path: str) -> Iterator[tuple[str, str]]:
    """Where the links of a page lead, but for those that leave for the web: path, heading."""
    for to, heading in re.findall(r"\]\((?!https:)([^)#]*)#([^)]*)\)", page):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), to)) if to else path, heading


def test_the_pages_are_true(pages: dict[str, str]) -> None:
    """docs/knowledge.md and docs/knowledge/ are what the knowledge base and the cases say now, and nothing is left there."""
    there = [DOCS / FIRST, *(DOCS / "knowledge").rglob("*.*")]
    assert {path.relative_to(DOCS).as_posix() for path in there} == {*pages}, ANEW
    assert [path for path, text in pages.items() if (DOCS / path).read_text(encoding="utf-8") != text] == [], ANEW


def test_each_page_is_small_enough_to_be_shown(pages: dict[str, str]) -> None:
    assert max(len(text.encode()) for text in pages.values()) < FEW_ENOUGH


def test_everything_has_one_heading(page: str, pages: dict[str, str]) -> None:
    """All that has a source, all sources and guarantees, each once on the one page, and once among the pages."""
    knowledge = built_in()
    ids = {*knowledge.sourced, *knowledge.sources, *(guarantee.id for guarantee in promises())}
    assert len(ids) > 800
    assert not [id for id in ids if headings(page).count(id) != 1]
    on_pages = [heading for text in pages.values() for heading in set(headings(text))]
    assert not [id for id in ids if on_pages.count(id) != 1]
    for text in (page, *pages.values()):
        assert len(headings(text)) == len(set(headings(text)))


def test_every_link_leads_to_a_heading(page: str, pages: dict[str, str]) -> None:
    """On the one page and from page to page, to the evidence page, too."""
    evidence = {"evidence.md": (DOCS / "evidence.md").read_text(encoding="utf-8")}
    for texts in ({FIRST: page, **evidence}, {**pages, **evidence}):
        targets = {path: set(headings(text)) for path, text in texts.items()}
        found = [link for path, text in texts.items() for link in links(text, path)]
        assert len(found) > 1000
        assert not [(path, heading) for path, heading in found if heading not in targets.get(path, ())]


def test_all_pages_can_be_reached_from_the_first(pages: dict[str, str]) -> None:
    """In one step; and from each the way leads back."""
    assert {path for path, _ in links(pages[FIRST], FIRST)} == {*pages} - {FIRST}
    assert all(FIRST in {to for to, _ in links(text, path)} for path, text in pages.items() if path != FIRST)


def test_the_pages_say_what_the_one_page_says(page: str, pages: dict[str, str]) -> None:
    """Of each thing the same, whichever way its links lead."""

    def said(text: str) -> dict[str, str]:
        without = re.sub(r"\]\([^)]*\)", "]", text)
        return {
            heading: body.strip("\n") for heading, body in re.findall(r"^#+ (.+)\n((?:(?!#).*\n)*)", without, re.MULTILINE)
        }

    apart = {id: text for one in pages.values() for id, text in said(one).items()}
    together = said(page)
    ids = {*built_in().sourced, *built_in().sources, *(guarantee.id for guarantee in promises())}
    assert not [id for id in ids if apart[id] != together[id] or not apart[id]]
    for diagnosis in built_in().diagnoses.values():
        assert together[diagnosis.title] in apart[diagnosis.title]


def test_the_way_from_page_to_page() -> None:
    """As few steps as there are; none to the page itself."""
    assert way("a/b/c.md", "a/b/c.md") == ""
    assert way("a.md", "b/c.md") == "b/c.md"
    assert way("a/b/c.md", "a/b/d.md") == "d.md"
    assert way("a/b/c.md", "a/d.md") == "../d.md"
    assert way("a/b/c.md", "a/d/b/e.md") == "../d/b/e.md"
    assert way("a/b/c.md", "e.md") == "../../e.md"


def test_the_command_prints_it() -> None:
    """With the cases that are named."""
    printed = CliRunner().invoke(main, ["reference", str(CASES / "everyday.yaml")])
    assert printed.exit_code == 0
    assert printed.output.startswith("# What this knowledge base says\n")
    assert "in 20 cases" in printed.output


def small_command(folder: Path) -> list[str]:
    """The command for the small knowledge base, which is written to a folder."""
    for file, text in {**FILES, "cases.yaml": PATIENTS}.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return ["reference", str(folder / "cases.yaml"), "--knowledge", str(folder)]


def test_the_command_writes_the_pages(tmp_path: Path) -> None:
    """Into a folder that need not be there; what a page is left of that is none any more is said, and left."""
    docs = tmp_path / "new" / "docs"
    command = [*small_command(tmp_path), "--pages", str(docs)]
    done = CliRunner().invoke(main, command)
    assert (done.exit_code, done.stdout) == (0, "")
    written = {path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in docs.rglob("*.md")}
    knowledge, cases, _ = small()
    placed = handbook_pages(knowledge, cases, ())
    assert {path: text.replace(f"{tmp_path}/", "") for path, text in written.items()} == placed
    assert "knowledge/rare/illness.md" in written
    assert f"{len(written)} pages in" in done.stderr
    assert "not one of them" not in done.stderr
    left = docs / "knowledge" / "most_likely" / "gone.md"
    left.parent.mkdir()
    left.write_text("# Gone", encoding="utf-8")
    (docs / "other.md").write_text("# Another", encoding="utf-8")
    assert CliRunner().invoke(main, command).stderr.splitlines()[1:] == [f"not one of them: {left}"]
    assert left.is_file()


def test_of_a_knowledge_base_of_ones_own(tmp_path: Path) -> None:
    """Where it has no guarantee, none stands there; one that cannot be read is shown with its place, and so is a bad case."""
    command = small_command(tmp_path)
    cases = tmp_path / "cases.yaml"
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


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_what_is_not_verified_is_listed_for_review() -> None:
    """By its own word, or by a source that is from memory; a reference interval, too; under its diagnosis, nothing else."""
    part = handbook(*small()).split("\n## For review\n")[1]
    rows = {}
    for group in part.split("\n### For review: ")[1:]:
        title, *lines = group.splitlines()
        rows[title] = [cells(line) for line in lines if line.startswith("| ")][1:]
    assert rows == {
        "Illness (an example)": [
            ["rule", "[`by-tally`](#by-tally)", "By tally", "weakly opposes", "expert; beside a-book"],
            ["advice", "[`rest`](#rest)", "Rest", "", "expert"],
        ],
        "Shared by several diagnoses": [
            ["red flag", "[`danger`](#danger)", "Danger", "soon", "hearsay (unverified)"],
            ["reference interval", "`length`", "The length", "", "unverified"],
        ],
    }


def test_a_review_stands_beside_what_was_to_be_reviewed() -> None:
    """With its date, and only there."""
    knowledge, cases, guarantees = small()
    review = Review("rest", digest(knowledge.sourced["rest"]), "2026-01-02", "neurologist")
    page = handbook(replace(knowledge, reviews={"rest": review}), cases, guarantees)
    rows = [cells(line) for line in page.split("\n## For review\n")[1].splitlines() if "reviewed 2026" in line]
    assert rows == [["advice", "[`rest`](#rest)", "Rest", "", "expert; reviewed 2026-01-02 (neurologist)"]]


def test_what_is_for_review_is_counted() -> None:
    """Of all, for each reason, and with nothing verified beside it: by diagnosis, then together."""
    part = handbook(*small()).split("\n## For review\n")[1]
    rows = [cells(line) for line in part.split("\n### ")[0].splitlines() if line.startswith("| ")]
    assert rows == [
        ["of", "all", "for review", "expert", "unverified", "secondary", "nothing verified"],
        ["[Illness (an example)](#for-review-illness-an-example)", "4", "2", "2", "0", "0", "1"],
        ["[Shared by several diagnoses](#for-review-shared-by-several-diagnoses)", "3", "2", "0", "2", "0", "2"],
        ["**together**", "7", "4", "2", "2", "0", "3"],
    ]


def test_all_of_the_knowledge_base_that_is_not_verified_is_for_review() -> None:
    """Each thing once, with every source of it that is not; a source at second hand is one of these."""
    knowledge = built_in()
    listed = {thing.id: thing for thing in judged(knowledge)}
    checked = {id: source.checked for id, source in knowledge.sources.items()}
    for id, thing in knowledge.sourced.items():
        weak = [source for source in thing.source if checked.get(source) != "verified"]
        assert (id in listed) is bool(weak), id
        assert not weak or [source for source, _ in listed[id].weak] == weak
    assert any("secondary" in thing.whys for thing in listed.values())


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
