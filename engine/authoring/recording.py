"""Recorded cases for the mutants that survive: each would notice one, once its author has judged what it expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..inference.justification import value_in_words
from ..knowledge.cases import Case, read_findings
from ..knowledge.model import NOWHERE, Findings, Knowledge
from ..knowledge.problems import Problems
from ..knowledge.truth import Valuation
from ..knowledge.yamltext import Scalar
from .casefile import case_text
from .killing import Trial, Verdict
from .mutation import Mutant
from .survivors import Result
from .witness import Equal, Search, patient_case

Given = Mapping[str, Scalar]  # finding to value, as a case gives them


@dataclass(frozen=True)
class Found:
    """A patient of whom a mutant concludes otherwise, about `subject`."""

    mutant: Mutant
    given: Given
    subject: str
    word: str = ""  # what the original concludes


@dataclass(frozen=True)
class Recorded:
    """The cases for the survivors, and of which survivors there is none."""

    found: tuple[Found, ...]
    equal: frozenset[str]  # ids of the mutants that conclude of every patient what the original does
    unfound: tuple[Mutant, ...]

    @property
    def text(self) -> str:
        """The cases as a case file."""
        return "".join(
            case_text(
                f"Notices {found.mutant.id}",
                {name: scalar.text for name, scalar in found.given.items()},
                {found.subject: found.word},
                about=f"The mutant reads: {found.mutant.words}",
            )
            for found in self.found
        )


def recorded(result: Result, search: Search) -> Recorded:
    """A case for each survivor: the shortest of those that come out otherwise, or a patient that the search finds; less what
    it does not need."""
    knowledge = result.trial.knowledge
    starts: list[tuple[Mutant, Given]] = []
    equal: set[str] = set()
    unfound: list[Mutant] = []
    for verdict in result.survivors:
        given = _from_a_case(result.trial, verdict)
        if given is None:
            patient = search(knowledge, verdict.mutant)
            if isinstance(patient, Equal):
                equal.add(verdict.mutant.id)
                continue
            given = None if patient is None else as_given(knowledge, patient)
        if given is None:
            unfound.append(verdict.mutant)
        else:
            starts.append((verdict.mutant, given))
    found = shortened(knowledge, _apart(knowledge, starts))
    return Recorded(tuple(_worded(knowledge, found)), frozenset(equal), tuple(unfound))


def as_given(knowledge: Knowledge, findings: Findings) -> Given:
    """The findings as a case gives them, in canonical units."""
    valuation = Valuation(knowledge, findings)
    stated = (name for name, answer in findings.items() if not answer.derived)
    return {name: Scalar(value_in_words(valuation, name), NOWHERE) for name in stated}


def _from_a_case(trial: Trial, verdict: Verdict) -> Given | None:
    """What is given in the shortest case that comes out otherwise."""
    cases = trial.named(verdict.differing)
    return min((case.given for case in cases), key=len, default=None)


def _apart(knowledge: Knowledge, starts: Sequence[tuple[Mutant, Given]]) -> Iterator[Found]:
    """With what is to be expected of each patient: best of the diagnosis, then of the thing itself, else of anything."""
    trial = Trial(knowledge, [_case(knowledge, given) for _, given in starts])
    for number, (mutant, given) in enumerate(starts):
        effect = trial.effect(mutant)
        said = {s for s, by_word in effect.items() if any(cases >> number & 1 for cases in by_word.values())}
        order = (mutant.diagnosis, mutant.owner, *knowledge.order, "urgency", "leading", *sorted(said))
        yield Found(mutant, given, next(subject for subject in order if subject in said))


def shortened(knowledge: Knowledge, found: Iterable[Found]) -> list[Found]:
    """The same without any finding that is not needed for the difference; a finding of each at a time, all together."""
    kept = list(found)
    names = [sorted(one.given) for one in kept]
    for position in range(max(map(len, names), default=0)):
        shorter: dict[int, tuple[Found, Case]] = {}
        for number, one in enumerate(kept):
            if position < len(names[number]):
                left = {name: value for name, value in one.given.items() if name != names[number][position]}
                case, possible = _read(knowledge, left)
                if possible:
                    shorter[number] = replace(one, given=left), case
        trial = Trial(knowledge, [case for _, case in shorter.values()])
        for patient, (number, (one, _)) in enumerate(shorter.items()):
            said = trial.effect(one.mutant).get(one.subject, {})
            if any(cases >> patient & 1 for cases in said.values()):
                kept[number] = one
    return kept


def _worded(knowledge: Knowledge, found: Sequence[Found]) -> Iterator[Found]:
    """With what the original concludes of each patient."""
    trial = Trial(knowledge, [_case(knowledge, one.given) for one in found])
    for number, one in enumerate(found):
        yield replace(one, word=trial.word(one.subject, number))


def _case(knowledge: Knowledge, given: Given) -> Case:
    """The patient, of whom something was concluded already."""
    case, possible = _read(knowledge, given)
    assert possible
    return case


def _read(knowledge: Knowledge, given: Given) -> tuple[Case, bool]:
    """The patient, and whether the answers can stand together."""
    problems = Problems()
    findings, _ = read_findings(given, knowledge, problems, NOWHERE)
    return patient_case(findings), not problems.errors
