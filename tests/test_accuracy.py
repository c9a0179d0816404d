"""No published patient is right by its own report: what the rules that fired for its answer rest on.

`python tests/test_accuracy.py` prints the section of docs/accuracy.md that the test holds to this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from crampdx.cli import main
from crampdx.engine.authoring.regression import Judged, judge
from crampdx.engine.knowledge.model import Rule, Source

from at_hand import ROOT, built_in, cases_of, concluded

HEADING = "## What each answer rests on"
JUDGEMENT = ("expert", "unverified")

# What finds one publication again: DOI, PubMed Central number, address, year and volume.
_IDENTIFIER = re.compile(r"10\.\d{4,}/[^\s)\]]+|pmc\d+|https?://\S+|\b(?:19|20)\d\d;\d+")
_WORD = re.compile(r"[a-z]{4,}")
_MOST_SHARED_WORDS = 2 / 3  # two reports of one disease share fewer: 4 of 7 at most, when this was written


def identifiers(text: str) -> set[str]:
    return set(_IDENTIFIER.findall(text.casefold()))


def is_same_report(patient: str, source: Source) -> bool:
    """Whether a patient's source and a source of the knowledge share an identifier or most of the words of the shorter."""
    written = f"{source.citation} {source.doi}"
    if identifiers(patient) & identifiers(written) or (source.pmid and source.pmid in patient):
        return True
    theirs, ours = (set(_WORD.findall(text.casefold())) for text in (patient, written))
    return len(theirs & ours) >= max(3, _MOST_SHARED_WORDS * min(len(theirs), len(ours)))


def rules_for(judged: Judged, diagnosis: str) -> list[Rule]:
    """The rules that fired for that diagnosis of the patient, in the order of the knowledge base."""
    fired = judged.outcome.conclusion(diagnosis).fired
    return [rule for rule in built_in().rules_of[diagnosis] if rule.id in fired and rule.is_for]


def answers(judged: Judged) -> tuple[str, ...]:
    return (judged.case.diagnosis, *(a for a in judged.case.alternatives if a in built_in().diagnoses))


def is_judgement(rule: Rule) -> bool:
    return set(rule.source) <= set(JUDGEMENT)


def section(judged: list[Judged]) -> str:
    """What the answers rest on, in Markdown."""
    fired = {rule.id: rule for j in judged for diagnosis in answers(j) for rule in rules_for(j, diagnosis)}
    judgement = [rule for rule in fired.values() if is_judgement(rule)]
    first = [j for j in judged if j.lenient == 1]
    unsourced = [j.case.name for j in first if all(map(is_judgement, rules_for(j, j.outcome.leading)))]
    return "\n".join(
        (
            f"{len(fired)} rules fired; {len(judgement)} of them rest on judgement alone (`expert` or `unverified`). "
            f"Of the {len(first)} patients whose answer comes first, {len(unsourced)} have no other kind of rule for it: "
            f"{', '.join(f'`{name}`' for name in unsourced)}.",
            "",
            "| patient | its answer | rules that fired for it, and their sources |",
            "|---|---|---|",
            *_rows(judged),
        )
    )


def _rows(judged: list[Judged]) -> Iterator[str]:
    for j in judged:
        for diagnosis in answers(j):
            rules = rules_for(j, diagnosis)
            if rules or diagnosis == j.case.diagnosis:
                told = "; ".join(f"`{rule.id}` ({', '.join(rule.source)})" for rule in rules) or "none"
                which = "" if diagnosis == j.case.diagnosis else " (accepted)"
                yield f"| `{j.case.name}` | {diagnosis}{which} | {told} |"


def page() -> str:
    return (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")


def published() -> list[Judged]:
    return [judge(case, concluded(case)) for case in cases_of("published.yaml")]


@pytest.fixture(scope="module", name="judged")
def _judged() -> list[Judged]:
    return published()


def test_no_rule_that_fires_for_an_answer_comes_from_that_patient(judged: list[Judged]) -> None:
    """Each has a source that is another one than the patient's own report, or is owned as judgement."""
    sources = built_in().sources
    for j in judged:
        for rule in (rule for diagnosis in answers(j) for rule in rules_for(j, diagnosis)):
            others = [s for s in rule.source if s in JUDGEMENT or not is_same_report(j.case.source, sources[s])]
            assert others, (j.case.name, rule.id)


def test_a_patients_own_report_would_be_noticed(judged: list[Judged]) -> None:
    """Cited in full or in part, by its identifier, or with a title that was put otherwise; and no other is taken for it."""
    for j in judged:
        cited = Source("own-report", j.case.source, "verified")
        assert is_same_report(j.case.source, cited), j.case.name
        assert not any(is_same_report(j.case.source, source) for source in built_in().sources.values()), j.case.name
    hoffmann = next(j.case.source for j in judged if j.case.name == "hypothyroid_hoffmann_34m")
    assert is_same_report(hoffmann, Source("by-doi", "A case of it", "verified", doi="10.3803/EnM.2015.30.4.626"))
    assert is_same_report(hoffmann, Source("by-title", "Hoffmann's syndrome, a rare manifestation of myopathy", "verified"))
    assert not is_same_report(hoffmann, Source("another", "Clinical presentation of hypothyroid myopathy", "verified"))


def test_the_accuracy_page_says_what_each_answer_rests_on(judged: list[Judged]) -> None:
    """Its table is the one that comes out now."""
    assert section(judged) in page().split(HEADING)[1]


def test_the_accuracy_page_is_true_of_the_document_alone() -> None:
    """It holds the shares that `crampdx test ... --summary --document-only` prints."""
    printed = CliRunner().invoke(main, ["test", str(ROOT / "tests/cases/published.yaml"), "--summary", "--document-only"])
    shares = printed.output.split("Wilson's score.\n\n")[1].split("\n\n")[0]
    assert "strictly, no confirmation" in shares
    assert shares in page()


if __name__ == "__main__":
    print(section(published()))
