"""What the cells of one column say: each text is read as in a case file, once, and remembered."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..knowledge.cases import means_unknown, read_answer
from ..knowledge.model import NOWHERE, Answer, Finding
from ..knowledge.problems import Problems
from .layout import Column, cell_words

MOST_REMEMBERED = 100_000  # texts of a column; a column of free text must not fill the memory


@dataclass(frozen=True)
class Cell:
    """What a text says of a finding: an answer, or nothing where it means unknown; or what is wrong with it."""

    answer: Answer | None = None
    fault: str = ""  # why it cannot be read; '' where it can
    code: str = ""
    unusual: bool = False


@dataclass
class Cells:
    """Reads the cells of a column."""

    column: Column
    finding: Finding
    _read: dict[str, Cell] = field(default_factory=dict)

    def of(self, text: str) -> Cell:
        """What the text says; the same text always says the same."""
        found = self._read.get(text)
        if found is None:
            if len(self._read) >= MOST_REMEMBERED:
                self._read.clear()
            found = self._read[text] = self._new(text)
        return found

    def words(self, text: str) -> str:
        """The text as a case file would give it; '' where it means unknown."""
        words = cell_words(text, self.column, self.finding)
        return "" if means_unknown(words) else words

    def _new(self, text: str) -> Cell:
        words = self.words(text)
        if not words:
            return Cell()
        problems, warnings = Problems(), list[str]()
        answer = read_answer(self.finding, words, NOWHERE, problems, warnings)
        if answer is None:
            problem = problems.found[0]
            return Cell(fault=f"{problem.message}; {problem.help}".rstrip("; "), code=problem.code)
        return Cell(answer=answer, unusual=bool(warnings))
