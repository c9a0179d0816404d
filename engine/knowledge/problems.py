"""Faults as values: what is wrong, where, and what would put it right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ERROR = "error"
WARNING = "warning"
SUGGESTIONS = 100  # of one reading; who has more faults than that has another kind of file in hand


class Place(NamedTuple):
    """A position in a text: file as the user named it, line and column from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, order=True)
class Problem:
    """One fault of the input, with its place, its kebab-case code, and a suggestion where there is one."""

    place: Place
    code: str
    message: str
    help: str = ""
    severity: str = ERROR

    def headline(self) -> str:
        """`file:line:column: error[code]: message`, the form that editors jump to."""
        return f"{self.place}: {self.severity}[{self.code}]: {self.message}"


@dataclass
class Problems:
    """Collects the faults of one reading, and the lines that they stand in."""

    found: list[Problem] = field(default_factory=list)
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: int = 0  # cases that a file sets out to hold and that cannot be used
    left_out: int = 0  # cases that expect something of what the knowledge leaves out
    suggestions: int = 0

    def add(self, place: Place, code: str, message: str, help: str = "", severity: str = ERROR) -> None:
        self.found.append(Problem(place, code, message, help, severity))

    def keep_text(self, file: str, text: str) -> None:
        self.texts[file] = tuple(re.split("\r\n|\r|\n", text))  # the line breaks that YAML counts

    def did_you_mean(self, word: str, candidates: Iterable[str]) -> str:
        """As the function of that name for the first faults of a reading; for a flood of them it would take minutes."""
        self.suggestions += 1
        return did_you_mean(word, candidates) if self.suggestions <= SUGGESTIONS else ""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The distinct errors, by place."""
        return self._distinct(ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The distinct warnings, by place."""
        return self._distinct(WARNING)

    def _distinct(self, severity: str) -> tuple[Problem, ...]:
        by_place = {  # in the order of `Problem`, which compares far more slowly
            (p.place.file, p.place.line, p.place.column, p.code, p.message, p.help): p
            for p in self.found
            if p.severity == severity
        }
        return tuple(by_place[key] for key in sorted(by_place))


class InvalidInput(Exception):
    """Raised once, with every fault of a reading."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems.errors
        self.texts = problems.texts
        super().__init__("\n".join(render(p, self.texts) for p in self.problems))


class InvalidKnowledge(InvalidInput):
    """The knowledge base cannot be used."""


def render(problem: Problem, texts: Mapping[str, tuple[str, ...]]) -> str:
    """The headline, the source line with a caret under its column, and the help."""
    lines = [problem.headline()]
    place = problem.place
    text = texts.get(place.file, ())
    start = max(0, place.column - 60)
    source = text[place.line - 1][start : start + 100] if 1 <= place.line <= len(text) else ""
    if source.strip():
        label = f"{place.line:>5} | "
        # Tabs and control characters would move the caret or the user's terminal.
        lines.append(label + "".join(c if c.isprintable() else " " for c in source))
        lines.append(" " * (len(label) - 2) + "| " + " " * (place.column - 1 - start) + "^")
    if problem.help:
        lines.append(f"      = help: {problem.help}")
    return "\n".join(lines)


def closest(word: str, candidates: Iterable[str], how_many: int = 3) -> tuple[str, ...]:
    """The candidates that a writer of `word` may have meant, best first; empty when none is near."""
    return tuple(difflib.get_close_matches(word.lower(), sorted(set(candidates)), n=how_many, cutoff=0.7))


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A help sentence naming the near candidates, or the empty text."""
    near = closest(word, candidates)
    return "did you mean " + " or ".join(map(shown, near)) + "?" if near else ""


def shown(text: str, limit: int = 60) -> str:
    """A user's text, quoted for a message: one line, printable, of bounded length."""
    short = text if len(text) <= limit else text[: limit - 3] + "..."
    return "'" + "".join(c if c.isprintable() else "?" for c in short) + "'"
