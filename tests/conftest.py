"""Each case of a file in tests/cases is a test of its own; a failure shows the case and the difference, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crampdx.engine.authoring.regression import differences
from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.knowledge.cases import Case, read_cases
from crampdx.engine.knowledge.loader import BUILT_IN, load
from crampdx.engine.knowledge.model import Knowledge
from crampdx.engine.knowledge.problems import InvalidCase, Problems

CASES = Path(__file__).parent / "cases"


@cache
def built_in() -> Knowledge:
    return load(BUILT_IN)


@cache
def built_in_reasoner() -> Reasoner:
    return Reasoner(built_in())


def cases_of(path: Path) -> tuple[Case, ...]:
    """The cases of a file, which must be free of errors."""
    problems = Problems()
    cases = read_cases(path.read_text(encoding="utf-8"), path.name, built_in(), problems)
    if problems.errors:
        raise InvalidCase(problems)
    return cases


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return built_in()


@pytest.fixture(scope="session")
def reasoner() -> Reasoner:
    return built_in_reasoner()


@pytest.fixture(scope="session")
def all_cases() -> tuple[Case, ...]:
    return tuple(case for path in sorted(CASES.glob("*.yaml")) for case in cases_of(path))


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    if file_path.suffix == ".yaml" and file_path.parent == CASES:
        return CaseFile.from_parent(parent, path=file_path)
    return None


class CaseFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        for case in cases_of(self.path):
            if case.expected:
                yield CaseItem.from_parent(self, name=case.name, case=case)


class CaseItem(pytest.Item):
    def __init__(self, *, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case

    def runtest(self) -> None:
        found = differences(self.case, built_in_reasoner().conclude(self.case.findings))
        if found:
            raise CaseFailed("\n".join(map(str, found)))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if isinstance(excinfo.value, CaseFailed):
            return f"{self.case.name}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.place.line - 1, self.case.name


class CaseFailed(Exception):
    """A case did not come out as expected."""
