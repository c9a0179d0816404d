"""The built-in knowledge base and the regression cases, loaded once for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from crampdx.engine.inference.outcome import Outcome
from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.inference.reference import infer
from crampdx.engine.inference.weighing import Inference
from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.loader import BUILT_IN, load
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import InvalidInput, Problems

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "cases"


@cache
def built_in() -> Knowledge:
    return load(BUILT_IN)


@cache
def reasoner() -> Reasoner:
    return Reasoner(built_in())


@cache
def cases_of(name: str) -> tuple[Case, ...]:
    """The cases of a file of tests/cases, which must be free of errors."""
    problems = Problems()
    cases = read_cases((CASES / name).read_text(encoding="utf-8"), name, built_in(), problems)
    if problems.errors:
        raise InvalidInput(problems)
    return cases


def all_cases() -> tuple[Case, ...]:
    return tuple(case for path in sorted(CASES.glob("*.yaml")) for case in cases_of(path.name))


_meant: dict[tuple[str, str], Inference] = {}


def meant(case: Case) -> Inference:
    """What the reference meaning says of a case of tests/cases; worked out once in a run of the tests."""
    key = (case.place.file, case.name)
    if key not in _meant:
        _meant[key] = infer(built_in(), case.findings)
    return _meant[key]


def concluded(case: Case) -> Outcome:
    """What Experta concludes about a case of tests/cases. Not kept: the outcomes of all cases fill gigabytes."""
    return reasoner().conclude(case.findings)


def disagreements(found: Inference, meant: Inference) -> tuple[str, ...]:
    """In what two inferences about one patient differ; the order in which rules fired is nobody's but Experta's."""
    return tuple(part for part in ("conclusions", "red_flags", "said") if getattr(found, part) != getattr(meant, part))
