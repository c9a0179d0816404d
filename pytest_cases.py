"""The pytest plugin: each case of a `*.case.yaml` or `*.case.json` file is a test, held to a knowledge base.

Nothing else of crampdx is imported until pytest meets such a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .engine.authoring.regression import Difference
    from .engine.inference.outcome import Outcome
    from .engine.inference.reasoner import Reasoner
    from .engine.knowledge.cases import Case

ENDINGS = (".case.yaml", ".case.yml", ".case.json")
_INI = "crampdx_knowledge"


def pytest_addoption(parser: pytest.Parser) -> None:
    said = "a folder with facts/ and rules/ (crampdx): what *.case.yaml files are held to"
    parser.getgroup("crampdx").addoption("--knowledge", metavar="FOLDER", help=said)
    parser.addini(_INI, f"{said}; relative to the rootdir", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEPT] = Kept(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return CaseFile.from_parent(parent, path=file_path) if file_path.name.endswith(ENDINGS) else None


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    fault = config.stash[_KEPT].fault
    if fault and not _is_worker(config):
        raise pytest.UsageError(fault)


class Kept:
    """The knowledge base of a session, and a reasoner for it: read when the first case file asks for it. Where that fails,
    `fault` says why, and there is none."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.fault = ""
        self._reasoner: Reasoner | None = None

    def reasoner(self) -> Reasoner | None:
        """The same one for every case."""
        if self._reasoner is None and not self.fault:
            from .engine.inference.reasoner import Reasoner
            from .engine.knowledge.loader import load
            from .engine.knowledge.problems import InvalidKnowledge

            folder = self._folder()
            if not folder.is_dir():
                self.fault = f"the knowledge base is to be in '{folder}', which is no folder"
                return None
            try:
                self._reasoner = Reasoner(load(folder))
            except InvalidKnowledge as fault:
                self.fault = f"the knowledge base in '{folder}' is invalid\n{fault}"
        return self._reasoner

    def _folder(self) -> Path:
        """What the option says, then what the ini-file says, then the rootdir where it is a knowledge base, then our own."""
        from .engine.knowledge.loader import BUILT_IN

        root = self.config.rootpath
        option: str | None = self.config.getoption("--knowledge")
        named: str = self.config.getini(_INI)
        if option or named:
            return self.config.invocation_params.dir / option if option else root / named
        return root if (root / "facts").is_dir() and (root / "rules").is_dir() else BUILT_IN


_KEPT = pytest.StashKey[Kept]()


def _is_worker(config: pytest.Config) -> bool:
    """Whether this is a process of pytest-xdist, which reports to the one that was started."""
    return hasattr(config, "workerinput")


class CaseFile(pytest.File):
    """A file of cases; a file with faults is no test, but an error with all of them."""

    def collect(self) -> Iterator[pytest.Item]:
        from .engine.knowledge.problems import render
        from .shared import cases_in
        from .terminal import printable

        kept = self.config.stash[_KEPT]
        reasoner = kept.reasoner()
        if reasoner is None:
            if _is_worker(self.config):  # from which pytest hands on errors of collecting, and no others
                raise self.CollectError(kept.fault)
            return
        cases, problems = cases_in(self._shown, reasoner.knowledge, expectations=True)
        if problems.errors:
            raise self.CollectError("\n".join(render(p, problems.texts) for p in problems.errors))
        for case in cases:
            yield CaseItem.from_parent(self, name=printable(case.name), case=case)

    @property
    def _shown(self) -> str:
        """The path as the other commands would print it."""
        start = self.config.invocation_params.dir
        return os.path.relpath(self.path, start) if self.path.is_relative_to(start) else str(self.path)


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **more: Any) -> None:
        super().__init__(**more)
        self.case = case
        if not case.expected:
            self.add_marker(pytest.mark.skip(reason="the case expects nothing"))

    def runtest(self) -> None:
        from .engine.authoring.regression import differences

        reasoner = self.config.stash[_KEPT].reasoner()
        assert reasoner is not None
        outcome = reasoner.conclude(self.case.findings)
        found = differences(self.case, outcome)
        if found:
            raise CaseFailed(self.case, outcome, found)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, CaseFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.path, self.case.place.line - 1, self.name


class CaseFailed(Exception):
    """A case did not come out as expected; its text is what `crampdx test` prints."""

    def __init__(self, case: Case, outcome: Outcome, differences: tuple[Difference, ...]) -> None:
        from .engine.authoring.failures import failure, failure_lines
        from .terminal import columns, printable

        lines = failure_lines(case, differences, failure(case, outcome, differences), columns())
        super().__init__("\n".join(map(printable, lines)))
