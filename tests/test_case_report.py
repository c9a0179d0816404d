"""A report to keep, as a page and as Markdown: it says all that the text report says, and nothing in it becomes markup."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from crampdx.cli import main
from crampdx.engine.inference.explanation import Step, how
from crampdx.engine.inference.outcome import Outcome, outcome
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.cases import Case
from crampdx.engine.knowledge.loader import from_texts
from crampdx.engine.knowledge.model import AT_LEAST_POSSIBLE, Knowledge
from crampdx.engine.knowledge.problems import Problems
from crampdx.engine.report.basis import reviews
from crampdx.engine.report.casemarkdown import case_markdown
from crampdx.engine.report.casepage import case_page
from crampdx.engine.report.casereport import CaseReport, case_report
from crampdx.engine.report.phrases import DISCLAIMER, findings_said, leading_said, still_open, urgency_said
from crampdx.engine.report.picture import DIAGNOSIS, MOST_RULES, Box, path_to
from crampdx.engine.report.words import mark_of, standing_and_urgency

from at_hand import CASES, built_in, cases_of, concluded
from pages import Page, kept_safe

PLACES = ("https://doi.org/", "https://pubmed.ncbi.nlm.nih.gov/")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://example.org/x onerror=alert(1)>',
    "</style></title></svg>&amp;",
    "' onload='alert(1)",
    "# [a](javascript:alert(1)) `b` *c* | <d> ![e](http://example.org)",
    "1. one\n\n## two\n- three",
    "\x1b[31m\x00red",
    "\u202egnitae",
    "Überlastung تشنج 肌肉",
    "\ud800",
)


def read(report: CaseReport) -> Page:
    """The page, read, and held to what every page must keep to."""
    return kept_safe(Page(case_page(report)), *PLACES)


def unescaped(markdown: str) -> str:
    """The words of a Markdown text, without the marks of lists and emphasis of ours."""
    lines = (re.sub(r"^( *- |\d+\. |#+ )", "", line) for line in markdown.splitlines())
    words = " ".join(re.sub(r"(?<!\\)[`]|(?<!\\)\*\*", "", line) for line in lines)
    return " ".join(re.sub(r"\\(.)", r"\1", words).split())


@cache
def rich() -> tuple[Case, ...]:
    """Published patients and everyday ones, of whom there is little to say and much."""
    return (*cases_of("published.yaml")[::4], *cases_of("everyday.yaml")[::5])


@pytest.fixture(params=rich(), ids=lambda case: case.name[:40])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def of(case: Case) -> CaseReport:
    return case_report(case.name, concluded(case), "1.2.3", case.warnings)


def said_in_text(case: Case, result: Outcome) -> list[str]:
    """What the text report says, but for evidence, which the page has as a tree."""
    knowledge = result.knowledge
    said = [case.name, urgency_said(result), leading_said(result), DISCLAIMER, knowledge.hash, "crampdx 1.2.3"]
    used, reviewed = reviews(result)
    said += [f"Reviewed: {reviewed} of {used} rule", *case.warnings, *result.doubts]
    said += [text for notice in result.scope for text in (notice.title.rstrip("."), notice.text)]
    for flag, reasons in result.red_flags:
        said += [f"{flag.urgency.upper()} {flag.title}", f"Do: {flag.action}", findings_said(reasons, knowledge)]
    for line in result.lines:
        entry = knowledge.diagnoses[line.conclusion.diagnosis]
        said += [f"{entry.title}: {standing_and_urgency(line.conclusion)}", still_open(result, line)]
        said += entry.next_steps if line.conclusion.level in AT_LEAST_POSSIBLE else ()
    for link, reasons in result.links:
        said += [link.title, findings_said(reasons, knowledge) if reasons else ""]
    for note, reasons in result.notes:
        said += [note.title.rstrip("."), note.text, findings_said(reasons, knowledge)]
    said += [advice.text if given else f"Withheld ({advice.id}): {advice.withheld}" for advice, given in result.advice]
    return said


def in_order(pieces: list[str], text: str) -> bool:
    """Whether the pieces stand in the text one after another."""
    place = 0
    for piece in pieces:
        place = text.find(" ".join(piece.split()), place)
        if place < 0:
            return False
    return True


# What it says --------------------------------------------------------------------------------------------------------


def test_it_says_what_the_text_report_says(case: Case) -> None:
    """On the page and in Markdown: urgency, flags with their actions, levels, what is missing, advice, doubts, the rest."""
    result = concluded(case)
    for text in (read(of(case)).text, unescaped(case_markdown(of(case)))):
        for said in said_in_text(case, result):
            assert " ".join(said.split()) in text, said


def test_each_rule_stands_with_its_weight_its_sources_and_its_findings(case: Case) -> None:
    """Of every diagnosis that is listed; sources are cited in full at the end."""
    result = concluded(case)
    page, markdown = read(of(case)).text, unescaped(case_markdown(of(case)))
    for line in result.lines:
        for evidence in line.evidence:
            rule = evidence.rule
            head = f"{mark_of(rule, evidence.counted)} {rule.title.rstrip('.')} ({rule.then}; {rule.id})."
            assert in_order([head, f"[{', '.join(rule.source)}]"], page)
            assert in_order([head, f"[{', '.join(rule.source)}]"], markdown)
            for source in rule.source:
                if source in result.knowledge.sources:
                    assert f"{source}: {' '.join(result.knowledge.sources[source].citation.split())}" in page
    for account in (how(result, line.conclusion.diagnosis) for line in result.lines):
        for fired in (*account.speaking_for, *account.against):
            assert in_order([fired.rule.id, *(f"{step.title}: {step.value}" for step in fired.steps[:1])], page)


def test_every_finding_is_there_with_its_value(case: Case) -> None:
    """What is absent stands apart from what is there."""
    given = concluded(case).valuation.findings
    report = of(case)
    values = [value for group in report.known for value in group.values]
    absent = [title for group in report.known for title in group.absent]
    assert len(values) + len(absent) == len(given)
    titles = {built_in().findings[name].title: answer for name, answer in given.items()}
    assert all(titles[title].truth is False for title in absent)
    page = read(report).text
    assert all(text in page for text in (*values, *absent))


def test_the_tree_of_the_leading_diagnosis_stands_open() -> None:
    """Those that are not supported are folded."""
    report = of(cases_of("published.yaml")[0])
    opened = [attributes for tag, attributes in read(report).elements if tag == "details"]
    assert [a["class"] for a in opened if "open" in a and a["class"] == "leading"] == ["leading"]
    assert {"open" in a for a in opened if "quiet" in a["class"]} == {False}


def test_of_nobody_there_is_a_report(knowledge: Knowledge) -> None:
    """Where nothing is known nothing leads, and neither findings nor a picture are shown."""
    report = case_report("nobody", outcome(knowledge, {}, infer(knowledge, {})), "1", ())
    page = read(report)
    assert "none, for nothing is known yet" in page.text
    assert not {"svg", "figure"} & {tag for tag, _ in page.elements}
    assert "## Findings" not in case_markdown(report)


def test_a_link_leads_to_the_doi() -> None:
    """The DOI is the text of the link."""
    report = of(cases_of("published.yaml")[0])
    dois = {f"https://doi.org/{source.doi}" for source in report.sources if source.doi}
    assert dois
    links = {attributes["href"] for tag, attributes in read(report).elements if tag == "a"}
    assert dois <= links
    assert all(f"<{doi}>" in case_markdown(report) for doi in dois)


# What others wrote ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_no_word_of_a_case_becomes_markup(hostile: str) -> None:
    """The page has the elements that it has for a harmless name; Markdown has as many lines, and none begins otherwise."""
    case = cases_of("everyday.yaml")[0]
    tame = case_report("tame", concluded(case), "1", ("tame",))
    wild = case_report(hostile, concluded(case), "1", (hostile,))
    assert [tag for tag, _ in read(wild).elements] == [tag for tag, _ in read(tame).elements]
    lines = case_markdown(wild).split("\n")
    case_markdown(wild).encode("utf-8")
    assert len(lines) == len(case_markdown(tame).split("\n"))
    assert not re.search(r"(?<!\\)[<\[`*|]|^# \\?#? |\x1b|\u202e", lines[0].removeprefix("# "))
    assert "://" not in lines[0]


def test_no_word_of_the_knowledge_becomes_markup() -> None:
    """Titles, citations and a DOI that look like markup are text, in the picture, too."""
    wild = "<b>x</b> [y](z) | `q`"
    files = {
        "facts/findings.yaml": f"ache: {{title: '{wild}', ask: 'Q?', kind: yes-no, known_by: patient}}\n",
        "rules/document.yaml": "".join(
            f"{tier}: {{heading: '{wild}', diagnoses: []}}\n"
            for tier in ("most_likely", "other_likely", "do_not_miss", "rare")
        ),
        "rules/weighing.yaml": "points: {weak: 1, moderate: 3, strong: 6}\nlevels: {possible: 3, likely: 6, unlikely: -3}\n",
        "rules/sources.yaml": f"a-book: {{citation: '{wild}', doi: '10.1/<a>\"b', checked: verified}}\n",
        "rules/rare/illness.yaml": (
            f"title: '{wild}'\nsummary: S\norigin: beyond\nnext_steps: ['{wild}']\n"
            f"rules:\n  r: {{title: '{wild}', when: ache, then: supports, source: a-book}}\n"
        ),
    }
    problems = Problems()
    knowledge, _ = from_texts(files, problems)
    assert knowledge is not None, problems.errors
    answers = {"ache": replace(next(iter(cases_of("everyday.yaml")[0].findings.values())), truth=True)}
    report = case_report("one", outcome(knowledge, answers, infer(knowledge, answers)), "1")
    page = read(report)
    assert "b" not in {tag for tag, _ in page.elements}
    assert page.text.count(wild) >= 6
    assert "svg" in {tag for tag, _ in page.elements}
    markdown = case_markdown(report)
    assert "https://doi.org/10.1/%3Ca%3E%22b" in markdown
    assert not re.search(r"(?<!\\)<(?!https://)", markdown)
    assert r"\<b\>x\</b\> \[y\](z) \| \`q\`" in markdown


# The picture ---------------------------------------------------------------------------------------------------------


def boxes(box: Box) -> list[Box]:
    return [box, *(inner for feed in box.feeds for inner in boxes(feed))]


def test_the_picture_has_the_rules_that_count(case: Case) -> None:
    """Only those, the weightiest of them, each with all that it rests on unless there is too much."""
    result = concluded(case)
    for account in of(case).paths:
        root = path_to(account)
        counted = [f for f in (*account.speaking_for, *account.against) if not f.outdone_by]
        titles = {f.rule.title.rstrip(".") for f in counted}
        shown = {box.texts[-1] for box in root.feeds if len(box.texts) > 1}
        assert root.kind == DIAGNOSIS
        assert shown <= titles
        assert len(shown) == min(len(titles), MOST_RULES)
        assert shown or not titles
        assert result.conclusion(account.id).level == account.state
    assert {a.id for a in of(case).paths} >= ({result.leading} if result.leading else set())


def test_no_finding_is_lost_from_the_picture(case: Case) -> None:
    """What is read stands in it, but for what is cut and counted."""
    for account in of(case).paths:
        texts = [text for box in boxes(path_to(account)) for text in box.texts]
        words = " ".join(texts)
        cut = any(re.search(r"\band \d+ (more|rules? of less weight)$|adding nothing$", text) for text in texts)
        for fired in (*account.speaking_for, *account.against):
            if not fired.outdone_by and not cut:
                assert all(title in words for step in fired.steps for title in bottom(step)), fired.rule.id


def bottom(step: Step) -> list[str]:
    return [title for inner in step.steps for title in bottom(inner)] or [step.title]


def test_no_box_lies_over_another_or_outside(case: Case) -> None:
    """Of every picture of the page, by the rectangles that are drawn."""
    page = read(of(case))
    pictures: list[list[tuple[float, float, float, float]]] = []
    views: list[tuple[float, float]] = []
    for tag, attributes in page.elements:
        if tag == "svg":
            _, _, width, height = map(float, attributes["viewbox"].split())
            views.append((width, height))
            pictures.append([])
        elif tag == "rect":
            x, y, width, height = (float(attributes[key]) for key in ("x", "y", "width", "height"))
            pictures[-1].append((x, y, x + width, y + height))
    for view, rectangles in zip(views, pictures, strict=True):
        for number, (left, top, right, bottom) in enumerate(rectangles):
            assert 0 <= left < right <= view[0]
            assert 0 <= top < bottom <= view[1]
            for other in rectangles[:number]:
                apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
                assert apart


# On paper ------------------------------------------------------------------------------------------------------------

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine to print with")
@pytest.mark.parametrize("file", ["everyday.yaml", "published.yaml"])
def test_two_sheets_of_paper_do(file: str, tmp_path: Path) -> None:
    """For the patient of whom there is most to say, too."""
    richest = max(map(of, cases_of(file)), key=lambda report: len(case_page(report)))
    (tmp_path / "page.html").write_text(case_page(richest), encoding="utf-8")
    printed = tmp_path / "page.pdf"
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--print-to-pdf={printed}",
        f"{(tmp_path / 'page.html').as_uri()}",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert 1 <= pages <= 2, richest.name


# The command ---------------------------------------------------------------------------------------------------------


def test_the_command_writes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    """Of the one case that is named, and prints nothing of the patient."""
    name = cases_of("everyday.yaml")[1].name
    for file, begins in (("kept.html", "<!DOCTYPE html>"), ("kept.md", f"# {name}")):
        kept = tmp_path / file
        command = ["diagnose", str(CASES / "everyday.yaml"), "--case", name, "--report", str(kept)]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
        assert name not in result.output
        assert kept.read_text(encoding="utf-8").startswith(begins)
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["everyday.yaml", "--report", "x.html"], "say which with --case NAME"),
        (["everyday.yaml", "--report", "x.html", "--case", "nobody"], "no case of"),
        (["everyday.yaml", "traps.yaml", "--report", "x.html"], "name one file"),
        (["everyday.yaml", "--report", "x.pdf"], "end it in .html or .md"),
        (["everyday.yaml", "--report", "x.html", "--format", "json"], "--format is of what is printed"),
        (["everyday.yaml", "--case", "nobody"], "--case goes with --report"),
    ],
)
def test_what_cannot_be_kept_is_a_matter_of_usage(arguments: list[str], said: str, tmp_path: Path) -> None:
    """Nothing is written."""
    arguments = [
        str(CASES / a) if a.endswith(".yaml") else str(tmp_path / a) if a.startswith("x.") else a for a in arguments
    ]
    result = CliRunner().invoke(main, ["diagnose", *arguments])
    assert result.exit_code == 2
    assert said in result.output
    assert not list(tmp_path.iterdir())


def test_of_a_case_at_fault_nothing_is_written(tmp_path: Path) -> None:
    """The fault is shown with its place."""
    patient = tmp_path / "patient.yaml"
    patient.write_text("case: One\ngiven: {nothing_of_ours: yes}\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["diagnose", str(patient), "--report", str(tmp_path / "kept.md")])
    assert result.exit_code == 4
    assert "patient.yaml:2:" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["patient.yaml"]
