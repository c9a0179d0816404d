"""One run of the regression cases: which of them, in which order, what became of each, and which failed the last time."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .engine.report.words import counted
from .shared import bytes_of, cases_in, written_whole
from .terminal import columns, path_text, printable

if TYPE_CHECKING:
    from .engine.authoring.failures import Failure
    from .engine.authoring.regression import Difference
    from .engine.authoring.updating import Rewritten
    from .engine.inference.reasoner import Reasoner
    from .engine.knowledge.cases import Case
    from .engine.knowledge.model import Knowledge
    from .engine.knowledge.problems import Problem

MOST_EXPLAINED = 20  # failures that are shown with their reasons unless all are asked for
_LONGEST_MEMORY = 10_000_000  # bytes


@dataclass(frozen=True)
class Read:
    """The cases of several files, and what is wrong with others of them."""

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    texts: dict[str, tuple[str, ...]]
    left_out: int  # that expect something of what the knowledge leaves out


@dataclass(frozen=True)
class Verdict:
    """What became of a case: what was not as expected, and why, where that was worked out."""

    case: Case
    differences: tuple[Difference, ...]
    why: Failure | None = None


def read_all(files: Iterable[Path], knowledge: Knowledge) -> Read:
    """The cases of all files, in order."""
    cases: list[Case] = []
    problems: list[Problem] = []
    texts: dict[str, tuple[str, ...]] = {}
    left_out = 0
    for file in files:
        found, faults = cases_in(str(file), knowledge, expectations=True)
        cases += found
        left_out += faults.left_out
        if faults.errors:
            problems += faults.errors
            texts |= faults.texts
    return Read(tuple(cases), tuple(problems), texts, left_out)


class Run:
    """Holds cases to what they expect, one after another: the first so many failures with reasons, each printed where that
    is to be `aloud`. What is to be rewritten (`update`) is not told of as failed."""

    def __init__(self, reasoner: Reasoner, *, most: int | None, aloud: bool, update: bool) -> None:
        self.verdicts: list[Verdict] = []
        self._reasoner, self._most, self._aloud, self._update = reasoner, most, aloud, update
        self._failures = 0

    def hold(self, case: Case) -> bool:
        """Whether the case came out as it expects, or is to be rewritten until it does."""
        from .engine.authoring.failures import failure
        from .engine.authoring.regression import differences

        outcome = self._reasoner.conclude(case.findings)
        found = differences(case, outcome)
        if not found or (self._update and can_be_updated(case)):
            self.verdicts.append(Verdict(case, found))
            return True
        self._failures += 1
        explained = self._most is None or self._failures <= self._most
        failed = Verdict(case, found, failure(case, outcome, found) if explained else None)
        self.verdicts.append(failed)
        if self._aloud:
            tell_failed(failed)
        return False

    @property
    def unexplained(self) -> int:
        """How many failures were told of without reasons."""
        return 0 if self._most is None else max(0, self._failures - self._most)


def tell_failed(failed: Verdict) -> None:
    """Prints a failure: its reasons wrapped to the terminal."""
    from .engine.authoring.failures import failure_lines

    for line in failure_lines(failed.case, failed.differences, failed.why, columns()):
        click.echo(printable(line))


def verdict_record(of: Verdict, is_rewritten: bool) -> dict[str, Any]:
    """What became of a case as plain data."""
    from .engine.authoring.failures import account_record, difference_record

    accounts = [account_record(a) for a in of.why.accounts] if of.why is not None else [{} for _ in of.differences]
    return {
        "case": of.case.name,
        "file": of.case.place.file,
        "line": of.case.place.line,
        "from": of.case.origin or None,
        "result": "rewritten" if is_rewritten else "failed" if of.differences else "passed",
        "differences": [{**difference_record(d), **a} for d, a in zip(of.differences, accounts, strict=True)],
    }


# Rewriting what recorded cases expect --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Update:
    """A case file as it is, as it would be, and what that changes in each of its cases."""

    path: Path
    before: str
    after: str
    cases: tuple[Rewritten, ...]


def can_be_updated(case: Case) -> bool:
    """Whether the expectations of the case were recorded, in a file that is rewritten."""
    return case.origin == "recorded" and not case.place.file.endswith(".json")


def rewrite(verdicts: Iterable[Verdict], reasoner: Reasoner, yes: bool, err: bool) -> frozenset[str]:
    """Shows what recorded cases that failed would expect if they expected what came out, and after asking writes it; the
    digests of those that now pass."""
    from .engine.authoring.updating import change_lines

    verdicts = [v for v in verdicts if v.differences]
    for verdict in verdicts:
        if verdict.case.origin == "recorded" and not can_be_updated(verdict.case):
            click.echo(f"{verdict.case.place}: not rewritten: a JSON file is left as it is", err=True)
    found = list(_updates(v for v in verdicts if can_be_updated(v.case)))
    for update in found:
        for case in update.cases:
            for line in change_lines(case):
                click.echo(printable(line), err=err)
    found = [update for update in found if update.after != update.before]
    count = sum(1 for update in found for case in update.cases if case.changes)
    if not count or not _confirmed(f"Rewrite what {counted(count, 'case')} in {counted(len(found), 'file')} expects?", yes):
        return frozenset()
    return frozenset(digest for update in found if _is_written(update) for digest in _passing(update, reasoner))


def _updates(failed: Iterable[Verdict]) -> Iterator[Update]:
    from .engine.authoring.updating import rewritten

    by_file: dict[str, list[Verdict]] = {}
    for each in failed:
        by_file.setdefault(each.case.place.file, []).append(each)
    for file, verdicts in by_file.items():
        text = bytes_of(file).decode("utf-8", "replace")
        after, cases = rewritten(text, file, [(v.case, v.differences) for v in verdicts])
        yield Update(Path(file), text, after, cases)


def _confirmed(question: str, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: say --yes to rewrite")
    if click.confirm(question, err=True):
        return True
    click.echo("nothing is rewritten", err=True)
    return False


def _is_written(update: Update) -> bool:
    """Writes the file with its mode as it was; False where somebody else has changed it meanwhile."""
    if bytes_of(str(update.path)).decode("utf-8", "replace") != update.before:
        click.echo(f"{path_text(update.path)}: has been changed meanwhile, and is not rewritten", err=True)
        return False
    mode = update.path.stat().st_mode & 0o7777
    with written_whole(update.path) as stream:
        stream.write(update.after)
        os.fchmod(stream.fileno(), mode)
    return True


def _passing(update: Update, reasoner: Reasoner) -> Iterator[str]:
    """The digests of the rewritten cases that pass, read again from the file."""
    from .engine.authoring.regression import differences

    names = {case.case.name for case in update.cases}
    cases, _ = cases_in(str(update.path), reasoner.knowledge, expectations=True)
    for case in cases:
        if case.name in names and not differences(case, reasoner.conclude(case.findings)):
            yield digest_of(case)


# What failed the last time -------------------------------------------------------------------------------------------


class Memory:
    """Which cases of a folder or file failed when they last ran. Only digests are kept, for a name may tell of a patient's
    health. That nothing can be read or kept is no fault: the cases are then run in the order of their files."""

    def __init__(self, environ: Mapping[str, str], tested: Path | None) -> None:
        cache = environ.get("XDG_CACHE_HOME", "")
        self._file: Path | None = None
        try:
            base = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"
            self._file = base / "crampdx" / f"failed-{_digest(str((tested or Path()).resolve()))}.json"
        except (OSError, RuntimeError):
            return

    def failed(self) -> frozenset[str]:
        """The digests of those that failed."""
        try:
            if self._file is None or not self._file.is_file() or self._file.stat().st_size > _LONGEST_MEMORY:
                return frozenset()
            kept = json.loads(self._file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return frozenset()
        found = kept.get("failed") if isinstance(kept, dict) else None
        return frozenset(x for x in found if isinstance(x, str)) if isinstance(found, list) else frozenset()

    def keep(self, ran: Iterable[str], failed: Iterable[str], whole: bool) -> None:
        """Remembers, by their digests, which of the cases that ran failed; of others, unless these are the `whole`, what was
        remembered of them."""
        before = frozenset[str]() if whole else self.failed() - frozenset(ran)
        kept = sorted(before | frozenset(failed))
        try:
            if self._file is not None and (self._file.is_file() or (kept and not self._file.exists())):
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with written_whole(self._file) as stream:
                    json.dump({"failed": kept}, stream, indent=1)
        except OSError:
            return


def digest_of(case: Case) -> str:
    """What a case is remembered by: its file and name, not to be read back."""
    return _digest(f"{Path(case.place.file).resolve()}\0{case.name}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]


# The sum -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tally:
    """How many cases there were of each kind, and how many faults in their files."""

    passed: int
    failed: int
    without: int
    unselected: int
    not_run: int
    faults: int

    def in_words(self) -> str:
        """The last line of a run."""
        ran = self.passed or self.failed or not self.without
        return (
            (f"{self.passed} passed, {self.failed} failed" if ran else "nothing to pass or fail")
            + (f", {counted(self.without, 'case')} without expectations" if self.without else "")
            + (f", {self.unselected} not selected" if self.unselected else "")
            + (f", {self.not_run} not run" if self.not_run else "")
            + (f", {counted(self.faults, 'error')} in case files" if self.faults else "")
        )


__all__ = [
    *("MOST_EXPLAINED", "Memory", "Read", "Run", "Tally", "Update", "Verdict"),
    *("can_be_updated", "digest_of", "read_all", "rewrite", "tell_failed", "verdict_record"),
]
