"""Is there a patient for whom all of this holds? One is found, small enough to read, or it is proved that there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import z3

from ..knowledge.cases import read_findings, with_derived
from ..knowledge.model import NOWHERE, Findings, Knowledge
from ..knowledge.problems import Problems
from ..knowledge.yamltext import Scalar
from .patients import TRUE, Formula, Patients

MILLISECONDS = 60_000  # that one question may take
MOST_RATIOS = 40  # wrong ratios put right for one question


class Undecided(Exception):
    """The solver could not answer in time."""


class Asked:
    """Questions about patients: is there one for whom all of this holds?

    The solver is first asked without anything that is demanded of patients, and then again with what is demanded of the
    answers that its own patient has, until they meet it: most questions speak of few findings, and many have no such patient
    whatever is demanded. So a question takes as long as what it rests on is large, and not the whole knowledge base.
    """

    def __init__(self, *patients: Patients) -> None:
        self.patients = patients

    def patient(self, *wanted: Formula, milliseconds: int = MILLISECONDS) -> dict[str, str] | None:
        """What is known of such a patient, as a case file says it; None when there is none. Raises `Undecided`."""
        model = self.model(*wanted, milliseconds=milliseconds)
        if model is None:
            return None
        given: dict[str, str] = {}
        for patients in self.patients:
            given |= patients.given(model)
        return dict(sorted(given.items()))

    def model(self, *wanted: Formula, milliseconds: int = MILLISECONDS) -> z3.ModelRef | None:
        """Values of the variables for such a patient; None when there is none. Raises `Undecided`."""
        solver = z3.SimpleSolver()
        solver.set("random_seed", 0)
        solver.set("timeout", milliseconds)
        solver.add(*wanted)
        demanded = [_Demanded(patients) for patients in self.patients]
        ratios = 0
        while True:
            # First a patient with nothing out of the ordinary; the core is empty where even that is not the reason.
            answer = solver.check(*(flag for each in demanded for flag in each.usual))
            if answer != z3.sat and (answer != z3.unsat or solver.unsat_core()):
                answer = solver.check()
            if answer == z3.unsat:
                return None
            if answer != z3.sat:
                raise Undecided(solver.reason_unknown())
            model = solver.model()
            learnt = [formula for each in demanded for formula in each.learn(model)]
            if not learnt:
                learnt = [formula for each in demanded for formula in each.wrong_ratios(model)]
                ratios += 1
            if not learnt:
                return model
            if ratios == MOST_RATIOS:
                raise Undecided("no ratio fits")
            solver.add(*learnt)

    def fewer_answers_than(self, number: int) -> Formula:
        """When less than so many findings are answered, of those that any question so far spoke of."""
        answered = dict.fromkeys(formula for patients in self.patients for formula in patients.answered())
        return z3.PbLe([(formula, 1) for formula in answered], number - 1) if answered else TRUE


class _Demanded:
    """What the solver has been told of patients for one question."""

    def __init__(self, patients: Patients) -> None:
        self.usual: list[Formula] = []
        self._patients = patients
        self._names: frozenset[str] = frozenset()
        self._numbers: set[int] = set()

    def learn(self, model: z3.ModelRef) -> list[Formula]:
        """What is demanded of the answers in the model and has not been told yet."""
        names = self._patients.spoken_of(model) - self._names
        self._names |= names
        self.usual += self._patients.usual(sorted(names))
        new = {n: f for n, f in self._patients.demanded(sorted(names)).items() if n not in self._numbers}
        self._numbers |= new.keys()
        return list(new.values())

    def wrong_ratios(self, model: z3.ModelRef) -> Iterator[Formula]:
        return self._patients.wrong_ratios(model, self._names)


def findings_of(given: Mapping[str, str], knowledge: Knowledge) -> Findings | None:
    """The findings of a patient as a case file says it; None where the reader refuses it."""
    problems = Problems()
    scalars = {name: Scalar(text, NOWHERE) for name, text in given.items() if name in knowledge.findings}
    findings, _ = read_findings(scalars, knowledge, problems, NOWHERE)
    return None if problems.errors else findings


def smallest(findings: Findings, knowledge: Knowledge, still: Callable[[Findings], bool]) -> Findings:
    """Findings of which none can be left out so that it is `still` so. Those given must be so."""

    def of(names: frozenset[str]) -> Findings | None:
        return with_derived({name: answer for name, answer in findings.items() if name in names}, knowledge)

    def holds(names: frozenset[str]) -> bool:
        fewer = of(names)
        return fewer is not None and still(fewer)

    kept = of(fewest((name for name, answer in findings.items() if not answer.derived), holds))
    assert kept is not None
    return kept


def fewest(names: Iterable[str], still: Callable[[frozenset[str]], bool]) -> frozenset[str]:
    """Some of the names, of which none can be left out so that it is `still` so. All of them together must be so."""
    kept = frozenset(names)
    size = max(1, len(kept) // 2)
    while True:
        before, in_order = kept, sorted(kept)
        for start in range(0, len(in_order), size):
            fewer = kept - frozenset(in_order[start : start + size])
            if still(fewer):
                kept = fewer
        if size == 1 and kept == before:  # one that was needed may not be any more, once others are gone
            return kept
        size = max(1, size // 2)
