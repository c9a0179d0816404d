"""Rewriting what a recorded case expects, in place: every other byte of its file stays as it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..knowledge import yamltext
from ..knowledge.cases import Case
from ..knowledge.problems import Place, Problems
from .regression import Difference

_BREAK = re.compile("(\r\n|\r|\n)")  # the line breaks that YAML counts


@dataclass(frozen=True)
class LineChange:
    """One line of a file as it was, and as it is now; `after` is None where the line is gone."""

    number: int
    before: str
    after: str | None


@dataclass(frozen=True)
class Rewritten:
    """A case whose expectations were rewritten, line by line; `left` are those that could not be, with why."""

    case: Case
    changes: tuple[LineChange, ...]
    left: tuple[tuple[Difference, str], ...]


def rewritten(
    text: str, file: str, differing: Iterable[tuple[Case, tuple[Difference, ...]]]
) -> tuple[str, tuple[Rewritten, ...]]:
    """The text in which each case expects what came out, and what that changes in each case."""
    page = _Page(text)
    node = yamltext.read_yaml(text, file, Problems())
    items = node.items if isinstance(node, yamltext.Sequence) else (node,)
    by_place = {item.place: item for item in items if isinstance(item, yamltext.Mapping)}
    done = tuple(_rewrite(page, by_place.get(case.place), case, found) for case, found in differing)
    return page.text, done


def _rewrite(page: _Page, node: yamltext.Mapping | None, case: Case, differences: tuple[Difference, ...]) -> Rewritten:
    entries = dict(_entries(node))
    left: list[tuple[Difference, str]] = []
    kept = {number: page.line(number) or "" for number in _numbers(entries)}
    gone = [d for d in differences if _is_because(entries, d)]
    for difference in differences:
        found = entries.get(difference.place)
        if found is None:
            why = "it is no longer where it was read"
        elif difference in gone:
            why = _without(page, entries, found, gone)
        else:
            why = page.replace(found.value, difference.got)
        if why:
            left.append((difference, why))
    changes = tuple(
        LineChange(number, before, page.line(number)) for number, before in kept.items() if page.line(number) != before
    )
    return Rewritten(case, changes, tuple(left))


@dataclass(frozen=True)
class _Entry:
    """What one expectation is written as."""

    key: yamltext.Scalar
    value: yamltext.Scalar  # of `because` one of its items
    siblings: int  # items of `because`, this one among them; 0 elsewhere
    others: int  # further keys under `expect`


def _entries(node: yamltext.Mapping | None) -> Iterator[tuple[Place, _Entry]]:
    """By the place that an expectation is known by."""
    expect = None if node is None else next((value for key, value in node.entries if key.text == "expect"), None)
    if not isinstance(expect, yamltext.Mapping):
        return
    others = len(expect.entries) - 1
    for key, value in expect.entries:
        if key.text != "because":
            if isinstance(value, yamltext.Scalar):
                yield key.place, _Entry(key, value, 0, others)
            continue
        items = value.items if isinstance(value, yamltext.Sequence) else (value,)
        for item in items:
            if isinstance(item, yamltext.Scalar):
                yield item.place, _Entry(key, item, len(items), others)


def _numbers(entries: dict[Place, _Entry]) -> list[int]:
    return sorted({scalar.place.line for entry in entries.values() for scalar in (entry.key, entry.value)})


def _is_because(entries: dict[Place, _Entry], difference: Difference) -> bool:
    found = entries.get(difference.place)
    return found is not None and found.siblings > 0


def _without(page: _Page, entries: dict[Place, _Entry], entry: _Entry, gone: list[Difference]) -> str:
    """Takes a rule that no longer fires out of `because`, and `because` with its last one; '' when that is done."""
    is_last = len(gone) == entry.siblings
    if is_last and not entry.others:
        return "nothing else is expected"
    stands_alone = entry.value.place.line != entry.key.place.line
    if stands_alone and not page.holds_only(entry.value, "-"):
        return "'because' does not have a line for each rule"
    if not stands_alone and not page.holds_only(entry.value, "because:"):
        return "'because' does not have a line for each rule"
    if stands_alone and is_last:
        if not page.holds_only(entry.key, "", ":"):
            return "'because' does not have a line of its own"
        page.remove(entry.key.place.line)
    page.remove(entry.value.place.line)
    return ""


class _Page:
    """A text whose lines change while their numbers stay."""

    def __init__(self, text: str) -> None:
        self._pieces = _BREAK.split(text)  # lines, and the breaks between them
        self._shifts: dict[int, list[tuple[int, int]]] = {}  # by line: column, and how far what follows has moved
        self._gone: set[int] = set()

    @property
    def text(self) -> str:
        return "".join(piece for number, piece in enumerate(self._pieces) if number // 2 + 1 not in self._gone)

    def line(self, number: int) -> str | None:
        """The line as it is now; None when it is gone."""
        return None if number in self._gone else self._pieces[2 * (number - 1)]

    def replace(self, scalar: yamltext.Scalar, words: str) -> str:
        """Writes other words in its place, in the same quotation marks; '' when that is done."""
        number, column = scalar.place.line, scalar.place.column
        shifts = self._shifts.setdefault(number, [])
        start = column - 1 + sum(by for other, by in shifts if other < column)
        line = self._pieces[2 * (number - 1)]
        found = next((form for form in _forms(scalar) if line.startswith(form, start)), None)
        if found is None:
            return "it is written over several lines or in an unusual way"
        mark = found[0] if scalar.quoted else ""
        written = f"{mark}{words}{mark}"
        self._pieces[2 * (number - 1)] = line[:start] + written + line[start + len(found) :]
        shifts.append((column, len(written) - len(found)))
        return ""

    def holds_only(self, scalar: yamltext.Scalar, before: str, after: str = "") -> bool:
        """Whether its line holds the scalar, these signs about it, and a comment at most."""
        line = self._pieces[2 * (scalar.place.line - 1)]
        rest = line.strip()
        for form in _forms(scalar):
            inner = rest.removeprefix(before).lstrip()
            if rest.startswith(before) and inner.startswith(form + after):
                behind = inner[len(form + after) :]
                if not behind.strip() or re.match(r"\s+#", behind):
                    return True
        return False

    def remove(self, number: int) -> None:
        self._gone.add(number)


def _forms(scalar: yamltext.Scalar) -> tuple[str, ...]:
    """How a scalar on one line may be written."""
    if not scalar.quoted:
        return (scalar.text,)
    return "'" + scalar.text.replace("'", "''") + "'", f'"{scalar.text}"'


def change_lines(done: Rewritten) -> Iterator[str]:
    """What was rewritten in a case, old above new, and what was left."""
    yield f"{done.case.place}: {done.case.name}"
    width = len(str(max((change.number for change in done.changes), default=0)))
    for change in done.changes:
        yield f"  {change.number:>{width}} - {change.before}".rstrip()
        if change.after is not None:
            yield f"  {change.number:>{width}} + {change.after}".rstrip()
    for difference, why in done.left:
        yield f"  not rewritten, for {why}: {difference}"


__all__ = ["LineChange", "Rewritten", "change_lines", "rewritten"]
