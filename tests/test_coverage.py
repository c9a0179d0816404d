"""`crampdx coverage`: what cases exercise, by the kind of case, and what they miss."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from crampdx.cli import main
from crampdx.engine.authoring.coverage import Coverage, coverage_lines, coverage_of
from crampdx.engine.knowledge.cases import read_cases
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import Problems

from small_worlds import dumped, small_knowledge

YES_NO = {"title": "A thing", "ask": "Is it so?", "kind": "yes-no", "known_by": "patient"}
TEXTS = {
    "facts/all.yaml": dumped(dict.fromkeys(("ache", "bruise", "chill"), YES_NO)),
    "rules/document.yaml": dumped(
        {
            "most_likely": {"heading": "Most likely", "diagnoses": ["clot"]},
            **{tier: {"heading": tier, "diagnoses": []} for tier in ("other_likely", "do_not_miss", "rare")},
        }
    ),
    "rules/weighing.yaml": dumped(
        {"points": {"weak": 1, "moderate": 3, "strong": 6}, "levels": {"possible": 3, "likely": 6, "unlikely": -3}}
    ),
    "rules/most_likely/clot.yaml": dumped(
        {
            "title": "Clot",
            "summary": "A clot",
            "rules": {
                "by-ache": {
                    "title": "Ache",
                    "when": {"all": ["ache", "not bruise"]},
                    "then": "supports",
                    "source": "expert",
                },
                "by-chill": {"title": "Chill", "when": "chill", "then": "establishes", "source": "expert"},
            },
        }
    ),
}
CASES = """\
- case: aching
  from: evidence
  given:
    ache: yes
    bruise: no
- case: bruised
  from: recorded
  given:
    ache: yes
    bruise: yes
- case: cold
  given:
    chill: yes
"""


@pytest.fixture(name="small")
def _small() -> Knowledge:
    return small_knowledge(TEXTS)


def covered(knowledge: Knowledge, text: str = CASES) -> Coverage:
    problems = Problems()
    cases = read_cases(text, "cases.yaml", knowledge, problems)
    assert not problems.errors
    return coverage_of(knowledge, cases)


def missed(coverage: Coverage, *origins: str) -> set[tuple[str, str]]:
    return {(target.owner, target.what) for target in (coverage.missing(origins) if origins else coverage.missing())}


def test_what_is_brought_about_is_counted_by_the_kind_of_case(small: Knowledge) -> None:
    """A rule has fired, or is known not to; a clause has been yes, no and unknown; a level was reached."""
    coverage = covered(small)
    assert missed(coverage) == {
        ("by-chill", "not fired"),
        ("by-chill", "clause chill: no"),
        ("by-ache", "clause ache: no"),
        ("clot", "level likely"),
        ("clot", "level undecided"),
        ("clot", "level not supported"),
    }
    assert coverage.reached("rule") == (3, 4)
    assert coverage.reached("rule", ("evidence",)) == (1, 4)
    assert coverage.reached("rule", ("recorded",)) == (1, 4)
    assert ("by-ache", "not fired") in missed(coverage, "evidence")
    assert ("by-ache", "not fired") not in missed(coverage, "recorded")


def test_a_silent_rule_of_which_nothing_is_known_is_not_held_off(small: Knowledge) -> None:
    """Unknown is not no: only a condition that is known no shows that the rule does not fire."""
    coverage = covered(small, "- case: nothing\n  from: evidence\n  given: {}\n")
    assert coverage.reached("rule") == (0, 4)
    assert ("by-chill", "clause chill: unknown") not in missed(coverage)


def test_a_level_without_a_rule_for_it_is_not_asked_for(small: Knowledge) -> None:
    """Nothing excludes a clot here, so no case has to."""
    assert "level established" in {t.what for t in covered(small).seen}
    assert {"level excluded", "level contradictory", "level unlikely"}.isdisjoint(t.what for t in covered(small).seen)


def test_the_list_says_where_each_thing_is_written(small: Knowledge) -> None:
    """File and line of the clause itself; a long list is cut, and says so."""
    lines = list(coverage_lines(covered(small)))
    assert any(line.startswith("rules, fired and not") and "3/4" in line and "1/4" in line for line in lines)
    place = next(line for line in lines if line.endswith("by-ache: clause ache: no")).split(": ")[0].strip()
    file, line, _ = place.split(":")
    assert TEXTS[file].splitlines()[int(line) - 1].strip() == "- ache"
    assert any("more (--all lists them)" in line for line in coverage_lines(covered(small), most=1))


def test_the_command_fails_under_what_is_asked_for(tmp_path: Path) -> None:
    """Exit 0 at or above the percentage, 1 below; a broken case file is an error, not a smaller figure."""
    for file, text in TEXTS.items():
        (tmp_path / "base" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "base" / file).write_text(text, encoding="utf-8")
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES, encoding="utf-8")

    def run(*more: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["coverage", str(cases), "--knowledge", str(tmp_path / "base"), *more])
        return result.exit_code, result.output

    code, text = run()
    assert code == 0
    percent = float(text.split(" % of what")[0].split()[-1])
    assert run("--fail-under", str(percent - 0.1))[0] == 0
    assert run("--fail-under", str(percent + 0.1))[0] == 1
    code, text = run("--from", "evidence", "--all")
    assert code == 0 and "by-ache: not fired" in text
    cases.write_text(CASES + "- case: broken\n  given:\n    acne: yes\n", encoding="utf-8")
    code, text = run()
    assert code == 4 and "% of what" not in text
