"""Regression cases: what a case expects, held against what is concluded, and accuracy over patients with a known answer."""

from __future__ import annotations

import math
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
        got, met = _held(expectation, outcome)
        if not met:
            found.append(Difference(expectation.place, expectation.subject, expectation.wanted, got))
    return tuple(found)


def _held(expectation: Expectation, outcome: Outcome) -> tuple[str, bool]:
    subject, wanted = expectation.subject, expectation.wanted
    knowledge = outcome.knowledge
    if subject == "leading":
        got = outcome.leading or "none"
        return got, got == wanted
    if subject == "urgency":
        return outcome.urgency, _ordered(wanted, outcome.urgency, URGENCIES)
    if subject in knowledge.diagnoses:
        level = outcome.conclusion(subject).level
        return level, _ordered(wanted, level, LEVELS[::-1])
    if subject in knowledge.scores:
        interval = outcome.valuation.scores[subject]
        low, high = read_score_words(wanted)
        return in_words(interval, "points"), (interval.low, interval.high) == (low, high)
    if subject in knowledge.concepts or subject in knowledge.findings:
        got = truth_word(_truth(subject, outcome))
        return got, got == wanted
    if subject in knowledge.advice:
        got = next(("shown" if given else "withheld" for a, given in outcome.advice if a.id == subject), "silent")
        return got, got == wanted
    fired = (
        {r for c in outcome.inference.conclusions.values() for r in c.fired}
        | set(outcome.inference.red_flags)
        | outcome.inference.said
    )
    got = "fires" if subject in fired else "silent"
    return got, got == wanted


def _truth(name: str, outcome: Outcome) -> Truth:
    finding = outcome.knowledge.findings.get(name)
    if finding is not None and finding.kind != "yes-no":
        return True if name in outcome.valuation.findings else None
    return outcome.valuation.truth_of(name)


def _ordered(wanted: str, got: str, rising: tuple[str, ...]) -> bool:
    """Whether `got` is `wanted`, where that may begin with `at least` or `at most`."""
    if wanted.startswith("at least "):
        return rising.index(got) >= rising.index(wanted.removeprefix("at least "))
    if wanted.startswith("at most "):
        return rising.index(got) <= rising.index(wanted.removeprefix("at most "))
    return got == wanted


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


def wilson(successes: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927); (0, 1) of nothing."""
    if total == 0:
        return 0.0, 1.0
    z = 1.959964
    p = successes / total
    centre = p + z * z / (2 * total)
    spread = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


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
