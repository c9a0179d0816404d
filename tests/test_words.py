"""What the printers share: words, paragraphs and their lines; and the page that says what stands in the JSON documents."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from planted import BASE, CLOT, FINDINGS, FLAGS, GUARANTEES, GUARDED, STRONG, edited, guarantee, written

from crampdx.cli import main
from crampdx.engine.inference.counterfactual import MOST, Smallest, smallest_change
from crampdx.engine.inference.explanation import Changes, Moved
from crampdx.engine.inference.weighing import Conclusion
from crampdx.engine.report.explained import change_paragraphs, smallest_paragraphs, smallest_record
from crampdx.engine.report.paragraphs import NARROWEST, WIDEST, Paragraph, moved_right, wrapped
from crampdx.engine.report.words import counted, lowered, standing, standing_and_urgency

from at_hand import ROOT, built_in
from test_consult import journals, run

WORDS = Paragraph("word " * 60, "- ", 12)


def stands(level: str, points: int, urgency: str = "") -> Conclusion:
    return Conclusion("some", level, level, points, urgency, (), frozenset())


# Words ---------------------------------------------------------------------------------------------------------------


def test_one_thing_is_counted_as_one() -> None:
    """One is singular, also below nothing; none and several are plural."""
    assert [counted(n, "point") for n in (-2, -1, 0, 1, 2)] == ["-2 points", "-1 point", "0 points", "1 point", "2 points"]


def test_an_abbreviation_is_not_lowered() -> None:
    """The first letter becomes small unless the word is one of capitals."""
    assert [lowered(t) for t in ("Dark urine", "ABI of the left leg", "A", "")] == [
        "dark urine",
        "ABI of the left leg",
        "A",
        "",
    ]


def test_points_are_shown_where_they_say_something() -> None:
    """Not beside a level that no points decide; the urgency only where there is one."""
    assert standing(stands("likely", 7)) == "likely (+7)"
    assert [standing(stands(level, 0)) for level in ("not assessed", "excluded")] == ["not assessed", "excluded"]
    assert standing_and_urgency(stands("likely", 7, "soon")) == "likely (+7), soon"
    assert standing_and_urgency(stands("undecided", 1)) == "undecided (+1)"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (stands("not assessed", 0), stands("likely", 6, "soon"), "not assessed -> likely (+6), soon"),
        (stands("undecided", 1), stands("undecided", 2), "undecided (+1) -> undecided (+2)"),
        (stands("not supported", -1), stands("not supported", -2), "not supported, points -1 -> -2"),
    ],
)
def test_a_change_shows_what_differs(before: Conclusion, after: Conclusion, said: str) -> None:
    """Levels with points; and the points by themselves where the level does not show them."""
    (paragraph,) = change_paragraphs(Changes(moved=(Moved("some", "Some", before, after),)), {})
    assert paragraph.text == f"Some: {said}"


# Paragraphs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [10, 30, 80, 99, 200])
def test_lines_keep_to_the_width_and_to_the_widest(width: int) -> None:
    """No line is longer than the terminal, nor than a line that can be read; later lines stand under the first one's text,
    and in a narrow terminal the indent gives way to the words."""
    first, *later = wrapped([WORDS], width)
    longest = max(map(len, (first, *later)))
    assert longest <= max(NARROWEST, min(width, WIDEST))
    assert longest > max(NARROWEST, min(width, WIDEST)) - 5
    assert first.lstrip().startswith("- word")
    under = first.index("word")
    assert under == (14 if width >= 34 else max(2, min(width, WIDEST) - NARROWEST))
    assert all(line.startswith(" " * under + "word") for line in later)


def test_an_empty_paragraph_is_an_empty_line() -> None:
    """Moved to the right, too."""
    assert list(wrapped(moved_right([Paragraph(), Paragraph("x", "- ", 1)], 2), 80)) == ["", "   - x"]


# Data ----------------------------------------------------------------------------------------------------------------


def test_no_rule_and_no_small_change_are_told_apart() -> None:
    """That no rule could lead there and that no change of up to so many findings does: two sentences, two records."""
    no_rule = smallest_change(built_in(), {}, "dystonia", "excluded")
    assert no_rule.size is None
    assert "no rule of its own" in smallest_paragraphs(no_rule)[0].text
    assert smallest_record(no_rule)["no_rule"] is True
    fields = {**{f: getattr(no_rule, f) for f in Smallest.__dataclass_fields__}, "no_rule": False}
    none_small = Smallest(**fields)
    assert "No change of up to" in smallest_paragraphs(none_small)[0].text
    assert smallest_record(none_small) == {**smallest_record(no_rule), "no_rule": False}
    assert smallest_record(none_small)["most"] == MOST


def keys_in(document: Any) -> set[str]:
    """Every key of a document, but for those that are data."""
    if isinstance(document, list):
        return set().union(*map(keys_in, document))
    if not isinstance(document, dict):
        return set()
    described = (value for key, value in document.items() if key not in ("patient", "counterexample", "moved"))
    return {*document, *set().union(*map(keys_in, described))}


def of_rule_authors(folder: Path) -> dict[str, Any]:
    """What `check --prove`, `test`, `mutate` and `diff` print of a small knowledge base with a guarantee that does not hold, a
    rule that establishes and one that excludes, a comment that ignores, and a case that fails."""
    seen = "  clot-by-colour:\n    title: T\n    when: calf_redness\n    then: establishes\n    source: expert\n"
    ignored = "# crampdx: ignore[title-style] because I say so\ncalf_pain:\n  title: Calf pain.\n"
    against = guarantee("another", "calf_pain", "urgency at least emergency")
    changes = (
        STRONG,
        GUARDED,
        (CLOT, "  clot-by-score:", seen + "  clot-by-score:"),
        (FINDINGS, "calf_pain:\n  title: Calf pain\n", ignored),
    )
    texts = edited(BASE, changes)
    texts[GUARANTEES] += against
    texts["cases.yaml"] = "- case: c\n  given:\n    calf_pain: yes\n  expect:\n    clot: likely\n"
    written(texts, folder)
    other = folder.with_name("other")
    shutil.copytree(folder, other)
    (other / FLAGS).write_text(texts[FLAGS].replace("emergency", "soon"), encoding="utf-8")
    base, cases = str(folder), str(folder / "cases.yaml")
    commands = {
        "check": ["check", "--prove", "--knowledge", base],
        "test": ["test", cases, "--knowledge", base],
        "mutate": ["mutate", "--cases", cases, "--knowledge", base],
        "diff": ["diff", base, str(other), "--cases", cases],
    }
    return {
        name: json.loads(CliRunner().invoke(main, [*command, "--format", "json"]).stdout)
        for name, command in commands.items()
    }


def documents(folder: Path) -> dict[str, Any]:
    """One document of each kind, with as much in it as can be."""

    def printed(*arguments: str, typed: str = "") -> Any:
        return json.loads(CliRunner().invoke(main, [*arguments, "--format", "json"], input=typed).stdout)

    case = str(ROOT / "examples" / "cramps_on_walking.yaml")
    noted = str(ROOT / "tests" / "cases" / "notes_and_scope.yaml")
    run("1 yes 2 no\nquit\n", folder)
    (path,) = journals(folder)
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    earlier = folder / "earlier.jsonl"
    gone = {"answers": {"no_such_finding": "yes"}, "concluded": {"urgency": "emergency", "leading": None, "levels": {}}}
    old = json.dumps({**json.loads(header), "knowledge": "0" * 12})
    earlier.write_text("\n".join((old, *lines, json.dumps(gone))) + "\n", encoding="utf-8")
    found = {f"explain {d}": printed("explain", case, d, "--to", "likely") for d in built_in().diagnoses}
    return {
        **found,
        "explain a score": printed("explain", case, "wells_dvt"),
        "explain nothing": printed("explain", "-", "sarcoidosis", typed="given:\n  nonsense: yes\n"),
        "diagnose": printed("diagnose", case, noted, "-", typed="given:\n  nonsense: yes\n"),
        **of_rule_authors(folder / "base"),
        "replay": json.loads(run("", folder, "replay", str(earlier), "--format", "json").stdout),
    }


def test_every_key_is_on_the_page(tmp_path: Path) -> None:
    """Each key of what commands print as JSON stands in the section on results of
    docs/format.md; and each word that is marked as one there is a key of some document, or one of its values."""
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8").split("\n## 6. ")[1]
    told = set(re.findall(r"`([a-z_]+)`", page))
    all_documents = documents(tmp_path)
    for name, document in all_documents.items():
        assert keys_in(document) <= told, name
    assert all_documents["replay"]["journal"]["left_out"]
    assert all_documents["replay"]["journal"]["differences"]
    values = {"null", "finding", "concept", "score", "item", "diagnosis", "needs", "likely_needs", "urgency", "leading"}
    values |= {"error", "warning", "needs_no"}
    values |= {"cause", "effect"}  # of links, which no document here holds: test_document_only.py has them
    assert told - values <= set().union(*map(keys_in, all_documents.values()))
