"""Is there a patient for whom all of this holds? One is found, small enough to read, or it is proved that there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

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
    """Questions about patients: is there one for whom all of this holds?"""

    def __init__(self, *patients: Patients) -> None:
        self.patients = patients
        self._solver = z3.Solver()
        self._solver.set("random_seed", 0)
        self._taken: dict[int, int] = {}

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
        self._solver.set("timeout", milliseconds)
        self._take_rules()
        self._solver.push()
        try:
            self._solver.add(*wanted)
            for _ in range(MOST_RATIOS):
                # First a patient with nothing out of the ordinary; the core is empty where even that is not the reason.
                answer = self._solver.check(*(flag for patients in self.patients for flag in patients.usual))
                if answer != z3.sat and (answer != z3.unsat or self._solver.unsat_core()):
                    answer = self._solver.check()
                if answer == z3.unsat:
                    return None
                if answer != z3.sat:
                    raise Undecided(self._solver.reason_unknown())
                model = self._solver.model()
                wrong = [formula for patients in self.patients for formula in patients.wrong_ratios(model)]
                if not wrong:
                    return model
                self._solver.add(*wrong)
            raise Undecided("no ratio fits")
        finally:
            self._solver.pop()

    def fewer_answers_than(self, number: int) -> Formula:
        """When less than so many findings are answered, of those that any question so far spoke of."""
        answered = dict.fromkeys(formula for patients in self.patients for formula in patients.answered())
        return z3.PbLe([(formula, 1) for formula in answered], number - 1) if answered else TRUE

    def _take_rules(self) -> None:
        """Hands the solver what has been learnt of the patients since the last question."""
        for number, patients in enumerate(self.patients):
            taken = self._taken.get(number, 0)
            self._solver.add(*patients.rules[taken:])
            self._taken[number] = len(patients.rules)


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
