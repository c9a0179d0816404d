"""Regression cases: what a case expects, held against what is concluded, and accuracy over patients with a known answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..inference.outcome import Outcome
from ..knowledge.cases import Case, Expectation, read_score_words
from ..knowledge.model import AT_LEAST_POSSIBLE, LEVELS, URGENCIES, Knowledge
from ..knowledge.problems import Place
from ..knowledge.quantities import in_words
from ..knowledge.truth import Truth, truth_word


@dataclass(frozen=True)
class Difference:
    """One expectation that was not met."""

    place: Place
    subject: str
    wanted: str
    got: str

    def __str__(self) -> str:
        return f"{self.place}: {self.subject}: expected {self.wanted}, got {self.got}"


def differences(case: Case, outcome: Outcome) -> tuple[Difference, ...]:
    """What the case expects and did not come out; () when all of it did."""
    found = []
    for expectation in case.expected:
        got = in_an_expectation(expectation.subject, outcome)
        if not meets(outcome.knowledge, expectation, got):
            found.append(Difference(expectation.place, expectation.subject, expectation.wanted, got))
    return tuple(found)


def in_an_expectation(subject: str, outcome: Outcome) -> str:
    """What came out about the subject, in the words in which a case would expect it."""
    knowledge = outcome.knowledge
    if subject == "leading":
        return outcome.leading or "none"
    if subject == "urgency":
        return outcome.urgency
    if subject in knowledge.diagnoses:
        return outcome.conclusion(subject).level
    if subject in knowledge.scores:
        return in_words(outcome.valuation.scores[subject], "points")
    if subject in knowledge.concepts or subject in knowledge.findings:
        return truth_word(_truth(subject, outcome))
    if subject in knowledge.advice:
        return next(("shown" if given else "withheld" for a, given in outcome.advice if a.id == subject), "silent")
    fired = (
        {r for c in outcome.inference.conclusions.values() for r in c.fired}
        | set(outcome.inference.red_flags)
        | outcome.inference.said
    )
    return "fires" if subject in fired else "silent"


def meets(knowledge: Knowledge, expectation: Expectation, got: str) -> bool:
    """Whether what came out, in those words, is what the case expects."""
    wanted = expectation.wanted
    if expectation.subject == "urgency":
        return _ordered(wanted, got, URGENCIES)
    if expectation.subject in knowledge.diagnoses:
        return _ordered(wanted, got, LEVELS[::-1])
    if expectation.subject in knowledge.scores:
        return read_score_words(got) == read_score_words(wanted)
    return got == wanted


def _truth(name: str, outcome: Outcome) -> Truth:
    finding = outcome.knowledge.findings.get(name)
    if finding is not None and finding.kind != "yes-no":
        return True if name in outcome.valuation.findings else None
    return outcome.valuation.truth_of(name)


def _ordered(wanted: str, got: str, rising: tuple[str, ...]) -> bool:
    """Whether `got` is `wanted`, where that may begin with `at least` or `at most`."""
    return not steps_away(wanted, got, rising)


def steps_away(wanted: str, got: str, rising: tuple[str, ...]) -> int:
    """How many steps `got` is from what is wanted; 0 where it is that."""
    bound = wanted.removeprefix("at least ").removeprefix("at most ")
    above = rising.index(got) - rising.index(bound)
    if wanted.startswith("at least "):
        return max(0, -above)
    return max(0, above) if wanted.startswith("at most ") else abs(above)


# Accuracy ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A patient whose answer is known, and the place of that answer in the differential."""

    case: Case
    outcome: Outcome
    strict: int  # rank of the diagnosis among those at possible or above, from 1; 0 when it is not among them
    lenient: int  # the best rank of the diagnosis or an accepted alternative

    @property
    def within(self) -> bool:
        """Whether the knowledge base can name the diagnosis at all."""
        return self.case.diagnosis in self.outcome.knowledge.diagnoses


def judge(case: Case, outcome: Outcome) -> Judged:
    """Where the known answer came out."""
    ranking = [x.conclusion.diagnosis for x in outcome.lines if x.conclusion.level in AT_LEAST_POSSIBLE]

    def rank(diagnosis: str) -> int:
        return ranking.index(diagnosis) + 1 if diagnosis in ranking else 0

    ranks = [rank(d) for d in (case.diagnosis, *case.alternatives)]
    return Judged(case, outcome, ranks[0], min((r for r in ranks if r), default=0))


def without_confirmation(case: Case, knowledge: Knowledge) -> dict[str, object]:
    """The given values less the results of confirmatory tests."""
    return {name: value for name, value in case.given.items() if not knowledge.findings[name].confirmatory}


def hits(judged: Iterable[Judged], best: int, lenient: bool) -> tuple[int, int]:
    """How many of the patients have their answer among the first `best`, and of how many."""
    ranks = [j.lenient if lenient else j.strict for j in judged]
    return sum(1 for r in ranks if 0 < r <= best), len(ranks)


def urgency_table(judged: Iterable[Judged]) -> dict[tuple[str, str], list[str]]:
    """Case names by (judged urgency, our urgency)."""
    table: dict[tuple[str, str], list[str]] = {}
    for j in judged:
        table.setdefault((j.case.judged_urgency, j.outcome.urgency), []).append(j.case.name)
    return table
