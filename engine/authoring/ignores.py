"""Warnings that an author has looked at: `# crampdx: ignore[code] because REASON`, at the end of the line or above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..knowledge.problems import ERROR, WARNING, Place, Problem, Problems, shown
from .codes import CATALOGUE, PROOF

_COMMENT = re.compile(r"(?:^|\s)(?P<all>#\s*crampdx:(?P<said>.*))$")
_IGNORE = re.compile(r"ignore\[(?P<codes>[^\]]*)\](?:\s+because\s+(?P<reason>\S.*))?")
FORM = "# crampdx: ignore[code] because REASON"


@dataclass(frozen=True)
class Ignore:
    """What one comment says: which codes, of problems that stand in which line, and why."""

    place: Place
    line: int
    codes: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Ignored:
    """A warning that is not told, and why."""

    problem: Problem
    reason: str


def settle(problems: Problems, proved: bool = False) -> tuple[Ignored, ...]:
    """Takes out what comments ignore, and hands it back; adds what is wrong with the comments themselves.

    What the proof finds is settled by a call of its own, `proved`, after it has run: until then nobody can say whether a
    comment about it is needed.
    """
    comments = [ignore for file, lines in problems.texts.items() for ignore in _comments(file, lines, problems, proved)]
    by_line = {(ignore.place.file, ignore.line, code): ignore for ignore in comments for code in ignore.codes}
    settled: list[Ignored] = []
    kept: list[Problem] = []
    used: set[tuple[str, int, str]] = set()
    for problem in problems.found:
        file, line, _ = problem.place
        key = (file, _content(problems.texts.get(file, ()), line), problem.code)
        if problem.severity == WARNING and key in by_line:
            settled.append(Ignored(problem, by_line[key].reason))
            used.add(key)
        else:
            kept.append(problem)
    problems.found[:] = kept
    for key, ignore in by_line.items():
        if key not in used:
            why = "is an error, which cannot be ignored" if CATALOGUE[key[2]].severity == ERROR else "is not said here"
            said = f"the comment ignores '{key[2]}', which {why}"
            problems.add(ignore.place, "unused-ignore", said, "take it out", severity=WARNING)
    return tuple(sorted(dict.fromkeys(settled), key=lambda ignored: ignored.problem))


def _comments(file: str, lines: Sequence[str], problems: Problems, proved: bool) -> Iterator[Ignore]:
    """The comments of a file that can be followed; what is wrong with the others is told once, not `proved`."""
    told = Problems() if proved else problems
    for number, line in enumerate(lines, 1):
        comment = _COMMENT.search(line)
        if comment is None:
            continue
        place = Place(file, number, comment.start("all") + 1)
        form = _IGNORE.fullmatch(comment["said"].strip())
        if form is None:
            said = f"{shown(comment['all'])} is no comment that is understood"
            told.add(place, "not-an-ignore", said, FORM, severity=WARNING)
            continue
        codes = tuple(dict.fromkeys(code.strip() for code in form["codes"].split(",")))
        for code in codes:
            if code not in CATALOGUE:
                said = f"no problem has the code {shown(code)}"
                told.add(place, "unknown-code", said, told.did_you_mean(code, CATALOGUE), severity=WARNING)
        if not form["reason"]:
            told.add(place, "ignore-without-reason", "nothing is ignored without a reason", FORM, severity=WARNING)
            continue
        now = tuple(code for code in codes if code in CATALOGUE and (CATALOGUE[code].found_by == PROOF) == proved)
        yield Ignore(place, _content(lines, number), now, form["reason"].strip())


def _content(lines: Sequence[str], number: int) -> int:
    """The line itself, or the next one that holds more than a comment."""
    for later in range(number, len(lines) + 1):
        text = lines[later - 1].strip()
        if text and not text.startswith("#"):
            return later
    return number
