"""What `crampdx batch` reads: tables and case files, as parts that can be evaluated side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import polars as pl

from .engine.knowledge.problems import Place, Problem, Problems, render, shown
from .engine.population.columnar import JOINT, Plan
from .engine.population.layout import Layout, Map, layout_of
from .engine.population.tables import ROW, TAKEN, Batch, Table, as_text, concluded, of_cases
from .engine.population.tally import NONE, Tally
from .shared import BAD_CASE, Ended, cases_in, print_problems
from .table_files import BROKEN, Source
from .terminal import path_text, printable, tell

if TYPE_CHECKING:
    from .engine.knowledge.cases import Case
    from .engine.knowledge.model import Findings, Knowledge

CASES_AT_ONCE = 2_000
FILE, ID = "file", "id"  # columns of a result, before those that are concluded
REJECT, UNKNOWN, STOP = "reject", "unknown", "stop"  # what becomes of a value that cannot be read


class Stopped(Ended):
    """The run ends without a result, because of what it was given."""

    exit_code = BAD_CASE


@dataclass(frozen=True)
class Options:
    """What is asked of a run."""

    map: Map | None = None
    map_file: str = ""
    id: str = ""
    label: str = ""
    ignore: tuple[str, ...] = ()
    ignore_others: bool = False
    bad_value: str = REJECT
    detail: bool = False  # whether everything is counted that a report shows

    @property
    def said(self) -> tuple[str, ...]:
        """What changes the results, as on the command line."""
        named = (("--map", path_text(self.map_file)), ("--id", self.id), ("--label", self.label))
        return (
            f"--bad-value {self.bad_value}",
            *(f"{option} {value}" for option, value in named if value),
            *(f"--ignore {name}" for name in self.ignore),
            *(("--ignore-others",) if self.ignore_others else ()),
        )


class Reject(NamedTuple):
    """A value, or a row, that cannot be read, and what has become of it."""

    file: str
    row: int  # of a table, from 1 after the header; the line of a case file
    id: str
    column: str
    value: str
    code: str
    reason: str
    taken_as: str  # `rejected` or `unknown`

    def told(self) -> str:
        """In one line."""
        return printable(": ".join(filter(None, (self.file, f"row {self.row}", self.column, self.reason))))


@dataclass
class Part:
    """Some patients, evaluated: `results` has FILE, ID, ROW, then what is concluded, then TAKEN."""

    results: pl.DataFrame
    rejects: list[Reject]
    tally: Tally
    findings: Callable[[int], Findings]  # of the patient in that row of `results`, read once more, as a case file is
    assumed: frozenset[str] = frozenset()  # quantities with numbers beside which nothing names a unit


def layout_for(header: tuple[str, ...], knowledge: Knowledge, asked: Options, place: Place, told: set[Problem]) -> Layout:
    """What each column is; says what is doubtful unless it has been `told`. Raises `Stopped`."""
    problems = Problems()
    layout = layout_of(
        header,
        knowledge,
        asked.map,
        id=asked.id,
        label=asked.label,
        ignore=asked.ignore,
        ignore_others=asked.ignore_others,
        problems=problems,
        place=place,
    )
    for problem in problems.warnings:
        if problem not in told:
            told.add(problem)
            tell(printable(problem.headline()))
    if layout is None:
        raise Stopped("\n".join(render(problem, problems.texts) for problem in problems.errors))
    return layout


class Feed(Protocol):
    """Some of what is read."""

    size: int  # in bytes

    def parts(self) -> Iterator[Callable[[], Part]]:
        """Parts in order, each to be evaluated, in any thread. Raises `Stopped` and `Unreadable`."""

    def progress(self) -> float:
        """How much has been read, from 0 to 1."""


class TableFeed:
    """A CSV, NDJSON or Parquet file."""

    def __init__(self, path: Path, knowledge: Knowledge, options: Options) -> None:
        self.name = path_text(path)
        self.source = Source(path, self.name)
        self.size = self.source.size
        self.knowledge, self.options = knowledge, options
        self._tables: dict[tuple[str, ...], Table] = {}
        self._told: set[Problem] = set()

    def _wanted(self) -> set[str]:
        layout = self._table().layout
        return {column.name for column in layout.columns} | ({layout.id, layout.label} - {""})

    def progress(self) -> float:
        return self.source.done / self.source.total if self.source.total else 1.0

    def parts(self) -> Iterator[Callable[[], Part]]:
        before = 0
        for raw in self.source.parts(self._wanted):
            yield self._part(self._table(), raw, before)
            before += raw.height
        if not before:  # a table without rows has a header, too, and so have its results
            header = self.source.header
            yield self._part(self._table(), pl.DataFrame(schema=dict.fromkeys(header, pl.String)), 0)

    def _table(self) -> Table:
        """What reads the present header: later parts of an NDJSON file may have columns that the first ones had not."""
        header = self.source.header
        if header not in self._tables:
            asked = self.options
            first = next((table.layout for table in self._tables.values()), None)
            if first is not None:
                asked = replace(asked, id=first.id or asked.id, label=first.label or asked.label)
            layout = layout_for(header, self.knowledge, asked, self.source.place(1), self._told)
            if first is not None and (layout.id, layout.label) != (first.id, first.label):
                late = " and ".join(map(shown, {layout.id, layout.label} - {first.id, first.label}))
                raise Stopped(
                    f"{self.source.place(1)}: error[late-column]: {late} first appears after rows that went without it\n"
                    "      = help: give the first row of the file every column"
                )
            unknown = self.options.bad_value == UNKNOWN
            self._tables[header] = Table(self.knowledge, layout, unknown_where_bad=unknown, waiting=self.options.detail)
        return self._tables[header]

    def _part(self, table: Table, raw: pl.DataFrame, before: int) -> Callable[[], Part]:
        def evaluated() -> Part:
            rows = pl.int_range(before + 1, before + raw.height + 1, eager=True)
            broken: list[Reject] = []
            whole = raw
            if BROKEN in raw.columns:
                sound = raw[BROKEN].is_null()
                reasons = zip(rows.filter(~sound), raw[BROKEN].filter(~sound), strict=True)
                broken = [Reject(self.name, row, "", "", "", "not-a-row", why, "rejected") for row, why in reasons]
                whole, rows = raw.filter(sound), rows.filter(sound)
            batch, plan = table.read(whole, rows)
            ids = as_text(whole[table.layout.id]) if table.layout.id else rows.cast(pl.String)
            results, tally = _concluded(self.name, batch, plan, ids, rows, self._labels(table, whole))
            tally.rows, tally.rejected = raw.height, raw.height - results.height
            taken = "unknown" if table.unknown_where_bad else "rejected"
            id_of = dict(zip(rows, ids, strict=True)) if batch.bad else {}
            rejects = [
                Reject(self.name, b.row, id_of[b.row] or "", b.column, b.value, b.code, b.reason, taken) for b in batch.bad
            ]

            def findings(number: int) -> Findings:
                at = int(rows.search_sorted(results[ROW][number]))
                return table.findings(whole.row(at, named=True), results[TAKEN][number].split(JOINT))

            in_order = sorted([*rejects, *broken], key=lambda reject: reject.row)
            return Part(results, in_order, tally, findings, batch.assumed)

        return evaluated

    @staticmethod
    def _labels(table: Table, raw: pl.DataFrame) -> pl.Series | None:
        if not table.layout.label:
            return None
        labels = as_text(raw[table.layout.label]).str.strip_chars()
        words = table.layout.labels
        return labels.replace(list(words), list(words.values())) if words else labels


class CaseFeed:
    """Case files, YAML or JSON."""

    def __init__(self, files: list[Path], knowledge: Knowledge, options: Options) -> None:
        self.files, self.knowledge, self.options = files, knowledge, options
        self.size = sum(file.stat().st_size for file in files if file.is_file())
        self.done = 0

    def progress(self) -> float:
        return self.done / len(self.files)

    def parts(self) -> Iterator[Callable[[], Part]]:
        cases: list[tuple[str, Case]] = []
        rejects: list[Reject] = []
        refused = 0
        for file in self.files:
            name = path_text(file)
            found, problems = cases_in(str(file), self.knowledge)
            if problems.errors:
                print_problems(problems.errors, problems.texts)
                if self.options.bad_value == STOP:
                    raise Stopped(f"{name} cannot be used")
                refused += max(1, problems.refused)
                rejects += [
                    Reject(name, p.place.line, "", "", "", p.code, f"{p.message}; {p.help}".rstrip("; "), "rejected")
                    for p in problems.errors
                ]
            cases += [(name, case) for case in found]
            self.done += 1
            if len(cases) >= CASES_AT_ONCE:
                yield self._part(cases, rejects, refused)
                cases, rejects, refused = [], [], 0
        yield self._part(cases, rejects, refused)

    def _part(self, named: list[tuple[str, Case]], rejects: list[Reject], refused: int) -> Callable[[], Part]:
        def evaluated() -> Part:
            cases = [case for _, case in named]
            rows = pl.int_range(0, len(cases), eager=True)
            batch, plan = of_cases(self.knowledge, cases, rows, self.options.detail)
            ids, labels = ([getattr(case, of) or None for case in cases] for of in ("name", "diagnosis"))
            texts = [pl.Series(each, dtype=pl.String) for each in (ids, labels)]
            results, tally = _concluded("", batch, plan, texts[0], rows, texts[1])
            results = results.with_columns(pl.Series(FILE, [file for file, _ in named], dtype=pl.String))
            tally.rows, tally.rejected = len(cases) + refused, refused
            return Part(results, rejects, tally, lambda number: cases[number].findings)

        return evaluated


def _concluded(
    file: str, batch: Batch, plan: Plan, ids: pl.Series, rows: pl.Series, labels: pl.Series | None
) -> tuple[pl.DataFrame, Tally]:
    """The results under the ids of their rows, and the counts."""
    results, tally = concluded(plan, batch.frame)
    at = rows.search_sorted(results[ROW])
    tally.unusual.update(batch.unusual)
    if labels is not None:
        pairs = pl.DataFrame({"label": labels.gather(at), "leading": results["leading"]}).drop_nulls()
        counts = pairs.filter(pl.col("label") != NONE).group_by("label", "leading").len()
        tally.labelled.update({(label, leading): number for label, leading, number in counts.iter_rows()})
    first = pl.DataFrame({FILE: pl.repeat(file, len(at), dtype=pl.String, eager=True), ID: ids.gather(at)})
    return first.hstack(results), tally
