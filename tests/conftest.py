"""Each case of a file in tests/cases is a test of its own: Experta concludes what is expected, and all that the reference
meaning concludes. A failure shows the case and the difference, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crampdx.engine.authoring.regression import differences
from crampdx.engine.inference.reasoner import Reasoner
from crampdx.engine.inference.reference import infer
from crampdx.engine.knowledge.cases import Case
from crampdx.engine.knowledge.model import Knowledge

from at_hand import CASES, all_cases, built_in, cases_of, concluded, disagreements, reasoner


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `crampdx test` remembers of failures is not mixed with that of the person who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", name="knowledge")
def _knowledge() -> Knowledge:
    return built_in()


@pytest.fixture(scope="session", name="reasoner")
def _reasoner() -> Reasoner:
    return reasoner()


@pytest.fixture(scope="session", name="all_cases")
def _all_cases() -> tuple[Case, ...]:
    return all_cases()


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    if file_path.suffix == ".yaml" and file_path.parent == CASES:
        return CaseFile.from_parent(parent, path=file_path)
    return None


class CaseFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        for case in cases_of(self.path.name):
            yield CaseItem.from_parent(self, name=case.name, case=case)


class CaseItem(pytest.Item):
    def __init__(self, *, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case

    def runtest(self) -> None:
        outcome = concluded(self.case)
        found = [*map(str, differences(self.case, outcome))]
        found += [
            f"{part}: Experta and the reference differ"
            for part in disagreements(outcome.inference, infer(built_in(), self.case.findings))
        ]
        if found:
            raise CaseFailed("\n".join(found))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if isinstance(excinfo.value, CaseFailed):
            return f"{self.case.name}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.case.place.line - 1, self.case.name


class CaseFailed(Exception):
    """A case did not come out as expected."""
