"""From a table as an analyst has it to the columns that a plan reads, and to the results; on polars.

What most cells hold is read by the column: yes and no, the name of a choice, a plain number. Every other text of a column,
such as `> 20000` or `Yes`, is looked up among the texts of that column that `cells.py` has read, so that an odd cell means
exactly what it means in a case file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import narwhals as nw
import polars as pl

from ..knowledge import yamltext
from ..knowledge.cases import Case, read_findings
from ..knowledge.model import CHOICE, NOWHERE, QUANTITY, YES_NO, Finding, Findings, Knowledge
from ..knowledge.problems import Problems
from .cells import Cells
from .columnar import JOINT, Compiler, Mask, Plan, points_of
from .layout import Layout
from .rows import columns_for, columns_of, unusual_in
from .steps import FAR, Conversion, conversion, half_steps
from .tally import Tally

ROW = "row number"  # of the column with which rows are told apart; no finding's name holds a space
TAKEN = "taken as unknown"  # of the column with the findings of a row that could not be read
_LETTERS = ["e", "E", "n", "N", "i", "I", "_"]  # of 1e5, nan and inf, which a float cast reads and a case file does not
_LONGEST = 15  # characters of a number that a float holds exactly
_CHUNK = 10  # ids whose joined text is looked up at once: 1,024 texts
YES_NO_TEXTS = {"yes": True, "no": False}


@dataclass(frozen=True)
class Bad:
    """A value that cannot be read, or a row that cannot be (then without a column)."""

    row: int
    column: str
    value: str
    code: str
    reason: str


@dataclass
class Batch:
    """A part of a table, read: rows that can be reasoned about, and what could not be read."""

    frame: pl.DataFrame  # the columns of a plan, ROW and TAKEN
    bad: list[Bad]
    unusual: dict[str, int]  # finding -> values outside the usual range
    assumed: frozenset[str] = frozenset()  # quantities with numbers beside which nothing names a unit


class Table:
    """Reads and evaluates the parts of one table, all with the same columns; compiles once.

    With `unknown_where_bad` a value that cannot be read is taken as unknown; otherwise its whole row is left out.
    """

    def __init__(
        self, knowledge: Knowledge, layout: Layout, *, unknown_where_bad: bool = False, waiting: bool = False
    ) -> None:
        self.knowledge = knowledge
        self.layout = layout
        self.unknown_where_bad = unknown_where_bad
        self.waiting = waiting
        self.cells = {c.finding: Cells(c, knowledge.findings[c.finding]) for c in layout.columns}
        self._plans: dict[frozenset[str], Plan] = {}
        self._truths = {c.finding: _known_texts(self.cells[c.finding]) for c in layout.columns}
        self._conversions: dict[str, Conversion] = {}
        for column in layout.columns:
            scale = knowledge.findings[column.finding].scale
            if scale is not None:
                self._conversions[column.finding] = conversion(column.finding, scale, column.unit)

    def plan(self, own: frozenset[str]) -> Plan:
        """The plan for tables of this layout in which these findings bring reference intervals of their own."""
        if own not in self._plans:
            present = {c.finding: c.finding in own for c in self.layout.columns}
            self._plans[own] = Compiler(self.knowledge, present).plan(self.waiting)
        return self._plans[own]

    def read(self, raw: pl.DataFrame, rows: pl.Series) -> tuple[Batch, Plan]:
        """What the rows say, which have these numbers, and the plan to evaluate them with."""
        rows = rows.alias(ROW)
        read = _Read(rows)
        for column in self.layout.columns:
            finding = self.knowledge.findings[column.finding]
            cells, series = self.cells[column.finding], raw[column.name]
            if finding.kind == QUANTITY:
                self._quantity(read, cells, series)
            elif finding.kind == YES_NO:
                self._yes_no(read, cells, series)
            else:
                self._choice(read, cells, series)
        plan = self.plan(frozenset(read.own))
        frame = pl.DataFrame({**read.columns, ROW: rows})
        frame = self._without_faults(frame, plan, read)
        return Batch(frame, read.bad, read.unusual, frozenset(read.assumed)), plan

    def findings(self, raw: Mapping[str, Any], unknown: Collection[str] = ()) -> Findings:
        """What a row says, read as a case file is, without these findings; a row in which nothing else is at fault."""
        given: dict[str, yamltext.Scalar] = {}
        for name, cells in self.cells.items():
            value = raw[cells.column.name]
            words = "" if value is None or name in unknown else cells.words(text_of(value))
            if words:
                given[name] = yamltext.Scalar(words, NOWHERE)
        problems = Problems()
        findings, _ = read_findings(given, self.knowledge, problems, NOWHERE)
        assert not problems.errors, problems.errors
        return findings

    # Kinds of columns

    def _yes_no(self, read: _Read, cells: Cells, series: pl.Series) -> None:
        name = cells.finding.name
        if series.dtype == pl.Boolean and not cells.column.codes:
            yes, no = series.fill_null(False), (~series).fill_null(False)
        else:
            texts = as_text(series)
            known = self._truths[name]
            yes, no, blank = (_is_one_of(texts, known.texts(truth)) for truth in (True, False, None))
            odd = texts.is_not_null() & ~(yes | no | blank)
            if odd.any():
                for text in texts.filter(odd).unique(maintain_order=True):
                    cell = cells.of(text)
                    if not cell.fault:
                        known.learn(text, None if cell.answer is None else cell.answer.truth)
                yes, no, blank = (_is_one_of(texts, known.texts(truth)) for truth in (True, False, None))
                read.refuse(cells, texts, texts.is_not_null() & ~(yes | no | blank))
        read.columns[f"{name}.yes"], read.columns[f"{name}.no"] = yes, no

    def _choice(self, read: _Read, cells: Cells, series: pl.Series) -> None:
        name = cells.finding.name
        texts = as_text(series)
        choices = [choice for choice, _ in cells.finding.choices]
        odd = texts.is_not_null() & ~(_is_one_of(texts, [c for c in choices if c not in cells.column.codes]))
        if odd.any():
            found = {text: cells.of(text) for text in texts.filter(odd).unique(maintain_order=True)}
            read.refuse(cells, texts, odd)
            meant = {text: cell.answer.choice if cell.answer is not None else None for text, cell in found.items()}
            fixed = texts.filter(odd).replace_strict(list(meant), list(meant.values()), return_dtype=pl.String)
            texts = texts.scatter(odd.arg_true(), fixed)
        read.columns[name] = texts

    def _quantity(self, read: _Read, cells: Cells, series: pl.Series) -> None:
        name, scale = cells.finding.name, cells.finding.scale
        assert scale is not None
        convert = self._conversions[name]
        if series.dtype.is_numeric():
            if series.dtype.is_float():
                series = series.fill_nan(None)
            number = series.cast(pl.Float64)
            plain = number.is_not_null() & number.is_finite()
        else:
            series = as_text(series)
            number = series.cast(pl.Float64, strict=False)
            plain = number.is_not_null() & (series.str.len_bytes() <= _LONGEST)
            plain &= ~series.str.contains_any(_LETTERS)
        codes = list(cells.column.codes)
        if codes:
            plain &= ~as_text(series).str.strip_chars().is_in(codes).fill_null(False)
        plain = (plain & (number.abs() <= convert.largest)).fill_null(False)
        work = nw.from_native(pl.DataFrame({"x": pl.select(pl.when(plain).then(number).otherwise(0.0)).to_series()}))
        x, steps = nw.col("x"), nw.col("steps")
        work = work.with_columns(steps=convert.steps(x), doubt=convert.in_doubt(x))
        work = work.with_columns(fits=convert.is_plausible(steps) & ~nw.col("doubt"))
        done = work.to_native()
        fits = plain & done["fits"]
        if not cells.column.unit and fits.any():
            read.assumed.add(name)
        low = pl.select(pl.when(fits).then(done["steps"]).otherwise(-FAR)).to_series()
        high = pl.select(pl.when(fits).then(done["steps"]).otherwise(FAR)).to_series()
        if scale.usual is not None:
            least, most = (half_steps(end, scale.decimals) for end in scale.usual)
            read.unusual[name] = int((fits & ~low.is_between(least, most)).sum())
        odd = series.is_not_null() & ~fits
        if odd.any():
            texts = as_text(series.filter(odd))
            found = {text: cells.of(text) for text in texts.unique(maintain_order=True)}
            read.refuse(cells, as_text(series), odd)
            own = any(c.answer is not None and c.answer.reference != scale.reference for c in found.values())
            looked_up = columns_for(cells.finding, [cell.answer for cell in found.values()], own)
            where = odd.arg_true()
            ends = {"low": low, "high": high}
            if own:
                read.own.add(name)
                assert scale.reference is not None
                usual_ends = zip(("from", "to"), scale.reference, strict=True)
                ends |= {
                    e: pl.repeat(half_steps(v, scale.decimals), low.len(), dtype=pl.Int64, eager=True) for e, v in usual_ends
                }
            for end, whole in ends.items():
                values = looked_up[f"{name}.{end}"]
                read.columns[f"{name}.{end}"] = whole.scatter(
                    where, texts.replace_strict(list(found), values, return_dtype=pl.Int64)
                )
            odd_ones = texts.replace_strict(list(found), [c.unusual for c in found.values()], return_dtype=pl.Boolean)
            read.unusual[name] = read.unusual.get(name, 0) + int(odd_ones.sum())
        else:
            read.columns[f"{name}.low"], read.columns[f"{name}.high"] = low, high

    # Rows as a whole

    def _without_faults(self, frame: pl.DataFrame, plan: Plan, read: _Read) -> pl.DataFrame:
        """With derived quantities; rows whose answers cannot hold together are left out, or the answers at odds are taken as
        unknown, until none are."""
        lost: dict[int, set[str]] = {}
        for bad in read.bad:
            lost.setdefault(bad.row, set()).add(read.findings[bad.column])
        whole = frame
        while True:
            derived: pl.DataFrame = plan.derived(nw.from_native(whole)).to_native()
            at_fault = [fault for fault in plan.faults if derived[fault.column].any()]
            if not at_fault:
                break
            blanks: dict[str, pl.Series] = {}
            for fault in at_fault:
                where = derived[fault.column]
                stated = [n for n in fault.names if n in self.cells]
                for row in derived[ROW].filter(where):
                    read.bad.append(Bad(row, "", ", ".join(stated), fault.code, fault.message))
                    lost.setdefault(row, set()).update(stated)
                for name in stated:
                    blanks[name] = where | blanks[name] if name in blanks else where
            if not self.unknown_where_bad:
                break
            whole = whole.with_columns(*(_blanked(self.knowledge.findings[n], where) for n, where in blanks.items()))
        if not lost:
            return derived.with_columns(pl.lit("").alias(TAKEN))
        rows = pl.Series(list(lost), dtype=derived[ROW].dtype)
        if not self.unknown_where_bad:
            return derived.filter(~derived[ROW].is_in(rows.implode())).with_columns(pl.lit("").alias(TAKEN))
        names = [JOINT.join(sorted(names)) for names in lost.values()]
        return derived.with_columns(
            pl.col(ROW).replace_strict(list(lost), names, default="", return_dtype=pl.String).alias(TAKEN)
        )


def of_cases(knowledge: Knowledge, cases: Sequence[Case], rows: pl.Series, waiting: bool = False) -> tuple[Batch, Plan]:
    """The same of cases, which are read already."""
    columns, present = columns_of(knowledge, [case.findings for case in cases])
    kinds: dict[str, Any] = {n: pl.Int64 for n in columns if n.endswith((".low", ".high", ".from", ".to"))}
    kinds |= {name: pl.String for name in columns if name in present}
    plan = Compiler(knowledge, present).plan(waiting)
    frame = pl.DataFrame({**columns, ROW: rows}, schema_overrides=kinds).with_columns(pl.lit("").alias(TAKEN))
    frame = plan.derived(nw.from_native(frame)).to_native()
    return Batch(frame, [], unusual_in(knowledge, [case.findings for case in cases])), plan


class _Read:
    """What is read of a part of a table so far."""

    def __init__(self, rows: pl.Series) -> None:
        self.rows = rows
        self.columns: dict[str, pl.Series] = {}
        self.own: set[str] = set()
        self.assumed: set[str] = set()
        self.bad: list[Bad] = []
        self.unusual: dict[str, int] = {}
        self.findings: dict[str, str] = {}  # column -> finding

    def refuse(self, cells: Cells, texts: pl.Series, odd: pl.Series) -> None:
        """Notes the odd cells that say nothing that can be read."""
        name = cells.column.name
        self.findings[name] = cells.finding.name
        for row, text in zip(odd.arg_true(), texts.filter(odd), strict=True):
            cell = cells.of(text)
            if cell.fault:
                self.bad.append(Bad(self.rows[row], name, text, cell.code, cell.fault))


class _KnownTexts:
    """Texts of a yes-no column that have been read: what means yes, no and unknown."""

    def __init__(self) -> None:
        self._texts: dict[bool | None, dict[str, None]] = {True: {}, False: {}, None: {}}

    def learn(self, text: str, truth: bool | None) -> None:
        self._texts[truth][text] = None

    def texts(self, truth: bool | None) -> list[str]:
        return list(self._texts[truth])


def _known_texts(cells: Cells) -> _KnownTexts:
    """Begins with what most tables say."""
    known = _KnownTexts()
    for text in ("yes", "no", ""):
        cell = cells.of(text)
        if not cell.fault and cells.finding.kind == YES_NO:
            known.learn(text, None if cell.answer is None else cell.answer.truth)
    return known


def _is_one_of(texts: pl.Series, words: Sequence[str]) -> pl.Series:
    """Without missing values."""
    if len(words) > 3:
        return texts.is_in(list(words)).fill_null(False)
    found = pl.repeat(False, texts.len(), dtype=pl.Boolean, eager=True)
    for word in words:
        found |= (texts == word).fill_null(False)
    return found


def _blanked(finding: Finding, where: pl.Series) -> list[pl.Expr]:
    """The columns of a finding, unknown where that is so."""
    name = finding.name
    if finding.kind == YES_NO:
        return [pl.when(where).then(False).otherwise(pl.col(c)).alias(c) for c in (f"{name}.yes", f"{name}.no")]
    if finding.kind == CHOICE:
        return [pl.when(where).then(None).otherwise(pl.col(name)).alias(name)]
    ends = ((f"{name}.low", -FAR), (f"{name}.high", FAR))
    return [pl.when(where).then(far).otherwise(pl.col(c)).alias(c) for c, far in ends]


def as_text(series: pl.Series) -> pl.Series:
    """The values as texts, numbers in digits and without an exponent; missing ones stay so."""
    dtype = series.dtype
    if dtype == pl.String:
        return series
    if dtype == pl.Boolean:
        return pl.select(pl.when(series).then(pl.lit("yes")).when(~series).then(pl.lit("no"))).to_series()
    if dtype.is_float() or dtype.is_decimal():
        return pl.Series([None if v is None else text_of(v) for v in series], dtype=pl.String)
    return series.cast(pl.String)


def text_of(value: Any) -> str:
    """A value of a cell as text; a float or decimal in digits, the fewest that mean the same float."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (float, Decimal)):
        return str(value)
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    if not exact.is_finite():
        return str(value)
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def concluded(plan: Plan, frame: pl.DataFrame) -> tuple[pl.DataFrame, Tally]:
    """The results of each row of a batch, in order, and their counts: of all that the plan tells."""
    decided = plan.decided(nw.from_native(frame))
    joined = {
        name: [(f"{name}.{i}", _codes(part)) for i, part in enumerate(_parts(masks))] for name, masks in plan.lists.items()
    }
    results = {name: expr for name, expr in plan.results.items() if name not in joined}
    codes = {column: expr for columns in joined.values() for column, (_, expr) in columns}
    native: pl.DataFrame = decided.select(nw.col(ROW), nw.col(TAKEN), **results, **codes).to_native()
    texts = {
        name: pl.concat_str([pl.lit(_texts(ids)).gather(pl.col(column)) for column, (ids, _) in columns]).str.strip_chars(
            JOINT
        )
        if columns
        else pl.lit("")
        for name, columns in joined.items()
    }
    concluded = native.with_columns(**texts).select(ROW, *plan.results, TAKEN)
    return concluded, _counted(plan, decided, concluded)


def _counted(plan: Plan, decided: Any, concluded: pl.DataFrame) -> Tally:
    tally = Tally(evaluated=concluded.height, urgency=_values(concluded["urgency"]), leading=_values(concluded["leading"]))
    if not concluded.height:
        return tally
    groups: dict[str, dict[str, Mask]] = {name: dict(plan.lists[name]) for name in ("red_flags", "rules")}
    groups |= {"known": dict(plan.known), "waiting": dict(plan.waiting)}
    if plan.known or plan.waiting:
        masks: dict[str, nw.Expr] = {}
        for group, each in groups.items():
            for id, mask in each.items():
                if isinstance(mask, bool):
                    getattr(tally, group)[id] = concluded.height * mask
                else:
                    masks[f"{group}:{id}"] = mask.cast(nw.Int64).sum()
        for column, number in decided.select(**masks).to_native().row(0, named=True).items():
            group, _, id = column.partition(":")
            if number:
                getattr(tally, group)[id] = number
        for diagnosis in (name for name in plan.results if points_of(name) in plan.results):
            tally.levels.update({(diagnosis, level): n for level, n in _values(concluded[diagnosis]).items()})
    return tally


def _values(series: pl.Series) -> Counter[str]:
    return Counter(dict(series.value_counts().iter_rows()))


def _parts(masks: Sequence[tuple[str, nw.Expr]]) -> list[Sequence[tuple[str, nw.Expr]]]:
    return [masks[i : i + _CHUNK] for i in range(0, len(masks), _CHUNK)]


def _codes(part: Iterable[tuple[str, nw.Expr]]) -> tuple[tuple[str, ...], nw.Expr]:
    """The ids, and a column that says by its bits which of them are in."""
    ids, masks = zip(*part, strict=True)
    code = sum((mask.cast(nw.UInt16) * (1 << bit) for bit, mask in enumerate(masks)), start=nw.lit(0, nw.UInt16))
    return tuple(ids), code.cast(nw.UInt32)


def _texts(ids: tuple[str, ...]) -> pl.Series:
    """For every number whose bits say which ids are in, the ids joined."""
    return pl.Series(
        ["".join(id + JOINT for bit, id in enumerate(ids) if number >> bit & 1) for number in range(1 << len(ids))]
    )
