"""From a table as an analyst has it to the columns that a plan reads, and to the results; on polars.

What most cells hold is read by the column: yes and no, the name of a choice, a plain number. Every other text of a column,
such as `> 20000` or `Yes`, is looked up among the texts of that column that `cells.py` has read, so that an odd cell means
exactly what it means in a case file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, reduce
from operator import add, or_
from threading import Lock
from typing import Any

import narwhals as nw
import polars as pl

from ..knowledge import yamltext
from ..knowledge.cases import Case, read_findings
from ..knowledge.model import CHOICE, NOWHERE, QUANTITY, YES_NO, Finding, Findings, Knowledge
from ..knowledge.problems import Problems
from ..knowledge.quantities import NUMBER
from .cells import Cells
from .columnar import JOINT, Choice, Compiler, Mask, Plan, first_true, points_of
from .layout import Column, Layout
from .rows import columns_for, columns_of, unusual_in
from .steps import FAR, Conversion, conversion, half_steps
from .tally import Tally

ROW = "row number"  # of the column with which rows are told apart; no finding's name holds a space
TAKEN = "taken as unknown"  # of the column with the findings of a row that could not be read
_PLAIN = rf"^{NUMBER}$"  # a cast to floats reads more than a case file does: 1e5, nan, inf, `5.`, `.5`
EXACT_DIGITS = 15  # characters of a number that a float holds exactly
_DECIMALS = 15  # that a case file takes; what a float has beyond them is its error
_CHUNK = 10  # ids whose joined text is looked up at once: 1,024 texts


Stages = tuple[tuple[pl.Expr, ...], ...]


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
    unusual: dict[str, int]  # finding -> values outside the usual range, of the rows of the frame
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
        self._one_at_a_time = Lock()
        self._truths = {c.finding: _known_texts(self.cells[c.finding]) for c in layout.columns}
        self._conversions: dict[str, Conversion] = {}
        self._looked: dict[tuple[Any, ...], Stages] = {}
        for column in layout.columns:
            finding = knowledge.findings[column.finding]
            if finding.kind == QUANTITY:
                self._conversions[finding.name] = conversion(finding, column.unit)

    def plan(self, own: frozenset[str]) -> Plan:
        """The plan for tables of this layout in which these findings bring reference intervals of their own."""
        with self._one_at_a_time:  # or parts that are at work at once would each compile the same
            if own not in self._plans:
                present = {c.finding: c.finding in own for c in self.layout.columns}
                self._plans[own] = Compiler(self.knowledge, present).plan(self.waiting)
                _compiled(self._plans[own])
            return self._plans[own]

    def read(self, raw: pl.DataFrame, rows: pl.Series) -> tuple[Batch, Plan]:
        """What the rows say, which have these numbers, and the plan to evaluate them with."""
        rows = rows.alias(ROW)
        read = _Read(rows)
        raw = self._with_texts(raw)
        first, *later = self._looks(tuple(raw.dtypes))
        seen = _in_stages(raw.select(*first), later)
        for column in self.layout.columns:
            finding = self.knowledge.findings[column.finding]
            cells, series = self.cells[column.finding], raw[column.name]
            if finding.kind == QUANTITY:
                self._quantity(read, cells, series, seen)
            elif finding.kind == YES_NO:
                self._yes_no(read, cells, series, seen)
            else:
                self._choice(read, cells, series, seen)
        plan = self.plan(frozenset(read.own))
        frame = pl.DataFrame({**read.columns, ROW: rows})
        frame, lost = self._without_faults(frame, plan, read)
        return Batch(frame, read.bad, self._unusual(read, lost), frozenset(read.assumed)), plan

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

    # What most cells hold, by the column

    def _with_texts(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Only the columns of findings; yes-no columns and choices that hold anything else as texts."""
        kept: list[pl.Series] = []
        for column in self.layout.columns:
            finding, series = self.knowledge.findings[column.finding], raw[column.name]
            if finding.kind == QUANTITY:
                # What has more decimals than a case file takes is read as it is written there, and refused.
                fine = isinstance(series.dtype, pl.Decimal) and series.dtype.scale > _DECIMALS
                typed = series.dtype.is_numeric() and not fine
            else:
                typed = finding.kind == YES_NO and series.dtype == pl.Boolean and not column.codes
            kept.append(series if typed else as_text(series).alias(series.name))
        return pl.DataFrame(kept)

    def _looks(self, dtypes: tuple[pl.DataType, ...]) -> Stages:
        """Of each finding NAME the columns of a plan, and of choices and quantities, in `NAME/odd`, where a cell is to be
        looked up. What several expressions need has a stage of its own, for polars would compute it for each."""
        key = (dtypes, sum(known.learnt for known in self._truths.values()))
        if key not in self._looked:
            stages: list[list[pl.Expr]] = [[] for _ in range(5)]
            steps: dict[str, nw.Expr] = {}
            for column, dtype in zip(self.layout.columns, dtypes, strict=True):
                finding = self.knowledge.findings[column.finding]
                if finding.kind == YES_NO:
                    stages[0] += self._look_at_yes_no(finding.name, column.name, dtype)
                elif finding.kind == CHOICE:
                    stages[0] += _look_at_choice(finding, column)
                else:
                    convert = self._conversions[finding.name]
                    x = nw.col(f"{finding.name}/number")
                    steps[f"{finding.name}/steps"], steps[f"{finding.name}/doubt"] = convert.steps(x), convert.in_doubt(x)
                    for stage, some in zip(stages, _look_at_number(finding, column, dtype, convert), strict=True):
                        stage += some
            self._looked[key] = (*map(tuple, stages[:3]), in_polars(steps), *map(tuple, stages[3:]))
        return self._looked[key]

    def _look_at_yes_no(self, name: str, column: str, dtype: pl.DataType) -> Iterator[pl.Expr]:
        value = pl.col(column)
        for end, truth in (("yes", True), ("no", False)):
            said = value.eq_missing(truth) if dtype == pl.Boolean else _is_any(value, self._truths[name].texts(truth))
            yield said.alias(f"{name}/{end}")

    # What other cells hold, looked up

    def _yes_no(self, read: _Read, cells: Cells, texts: pl.Series, seen: pl.DataFrame) -> None:
        name = cells.finding.name
        yes, no = seen[f"{name}/yes"], seen[f"{name}/no"]
        if int(yes.sum()) + int(no.sum()) < texts.len() - texts.null_count():
            known = self._truths[name]
            odd = texts.is_not_null() & ~(yes | no | _is_one_of(texts, known.texts(None)))
            for text in texts.filter(odd).unique(maintain_order=True):
                cell = cells.of(text)
                if not cell.fault:
                    known.learn(text, None if cell.answer is None else cell.answer.truth)
            yes, no, blank = (_is_one_of(texts, known.texts(truth)) for truth in (True, False, None))
            odd = texts.is_not_null() & ~(yes | no | blank)
            read.refuse(cells, odd.arg_true(), texts.filter(odd))
        read.columns[f"{name}/yes"], read.columns[f"{name}/no"] = yes, no

    def _choice(self, read: _Read, cells: Cells, texts: pl.Series, seen: pl.DataFrame) -> None:
        name, odd = cells.finding.name, seen[f"{cells.finding.name}/odd"]
        if odd.any():
            found = {text: cells.of(text) for text in texts.filter(odd).unique(maintain_order=True)}
            read.refuse(cells, odd.arg_true(), texts.filter(odd))
            meant = {text: cell.answer.choice if cell.answer is not None else None for text, cell in found.items()}
            fixed = texts.filter(odd).replace_strict(list(meant), list(meant.values()), return_dtype=pl.String)
            texts = texts.scatter(odd.arg_true(), fixed)
        read.columns[name] = texts

    def _quantity(self, read: _Read, cells: Cells, series: pl.Series, seen: pl.DataFrame) -> None:
        name, scale = cells.finding.name, cells.finding.scale
        assert scale is not None
        ends = {end: seen[f"{name}/{end}"] for end in ("low", "high")}
        read.unusual[name] = seen[f"{name}/unusual"]
        if not cells.column.unit and seen[f"{name}/fits"].any():
            read.assumed.add(name)
        odd = seen[f"{name}/odd"]
        if odd.any():
            texts = as_text(series.filter(odd))
            found = {text: cells.of(text) for text in texts.unique(maintain_order=True)}
            where = odd.arg_true()
            read.refuse(cells, where, texts)
            own = any(c.answer is not None and c.answer.reference != scale.reference for c in found.values())
            if own:
                read.own.add(name)
                assert scale.reference is not None
                for end, usual in zip(("from", "to"), scale.reference, strict=True):
                    steps = half_steps(usual, scale.decimals)
                    ends[end] = pl.repeat(steps, series.len(), dtype=pl.Int64, eager=True)
            looked_up = columns_for(cells.finding, [cell.answer for cell in found.values()], own)
            for end in ends:
                values = texts.replace_strict(list(found), looked_up[f"{name}/{end}"], return_dtype=pl.Int64)
                ends[end] = ends[end].scatter(where, values)
            unusual = texts.replace_strict(list(found), [c.unusual for c in found.values()], return_dtype=pl.Boolean)
            read.unusual[name] = read.unusual[name].scatter(where, unusual)
        read.columns.update({f"{name}/{end}": values for end, values in ends.items()})

    # Rows as a whole

    def _unusual(self, read: _Read, lost: Mapping[int, Collection[str]]) -> dict[str, int]:
        """How many values of each quantity lie outside its usual range, of those that are taken as given."""
        found = {name: int(where.sum()) for name, where in read.unusual.items()}
        if not lost:
            return found
        rejected = None if self.unknown_where_bad else _is_among(read.rows, lost)
        for name in (name for name, number in found.items() if number):
            left_out = rejected
            if left_out is None:
                left_out = _is_among(read.rows, [row for row, names in lost.items() if name in names])
            found[name] = int((read.unusual[name] & ~left_out).sum())
        return found

    def _without_faults(self, frame: pl.DataFrame, plan: Plan, read: _Read) -> tuple[pl.DataFrame, dict[int, set[str]]]:
        """With derived quantities; rows whose answers cannot hold together are left out, or the answers at odds are taken as
        unknown, until none are. And of the rows that are at fault, the findings that are."""
        lost: dict[int, set[str]] = {}
        for bad in read.bad:
            lost.setdefault(bad.row, set()).add(read.findings[bad.column])
        whole = frame
        while True:
            derived = _in_stages(whole, _compiled(plan).derivations)
            at_fault = [fault for fault in plan.faults if derived[fault.column].any()]
            if not at_fault:
                break
            blanks: dict[str, pl.Series] = {}
            for fault in at_fault:
                where = derived[fault.column]
                given = [self.knowledge.findings[n] for n in fault.names if n in self.cells]
                told = {f.name: where & whole.select(_told(f)).to_series() for f in given}
                for at in where.arg_true():
                    row, stated = derived[ROW][at], [name for name, here in told.items() if here[at]]
                    read.bad.append(Bad(row, "", ", ".join(stated), fault.code, fault.message))
                    lost.setdefault(row, set()).update(stated)
                for name, here in told.items():
                    blanks[name] = here | blanks[name] if name in blanks else here
            if not self.unknown_where_bad:
                break
            whole = whole.with_columns(c for n, where in blanks.items() for c in _blanked(self.knowledge.findings[n], where))
        taken = pl.lit("")
        if lost and self.unknown_where_bad:
            names = [JOINT.join(sorted(names)) for names in lost.values()]
            taken = pl.col(ROW).replace_strict(list(lost), names, default="", return_dtype=pl.String)
        elif lost:
            derived = derived.filter(~_is_among(derived[ROW], lost))
        return derived.with_columns(taken.alias(TAKEN)), lost


def of_cases(knowledge: Knowledge, cases: Sequence[Case], rows: pl.Series, waiting: bool = False) -> tuple[Batch, Plan]:
    """The same of cases, which are read already."""
    columns, present = columns_of(knowledge, [case.findings for case in cases])
    kinds: dict[str, Any] = {n: pl.Int64 for n in columns if n.endswith(("/low", "/high", "/from", "/to"))}
    kinds |= {name: pl.String for name in columns if name in present}
    plan = Compiler(knowledge, present).plan(waiting)
    frame = pl.DataFrame({**columns, ROW: rows}, schema_overrides=kinds).with_columns(pl.lit("").alias(TAKEN))
    frame = _in_stages(frame, _compiled(plan).derivations)
    return Batch(frame, [], unusual_in(knowledge, [case.findings for case in cases])), plan


class _Read:
    """What is read of a part of a table so far."""

    def __init__(self, rows: pl.Series) -> None:
        self.rows = rows
        self.columns: dict[str, pl.Series] = {}
        self.own: set[str] = set()
        self.assumed: set[str] = set()
        self.bad: list[Bad] = []
        self.unusual: dict[str, pl.Series] = {}  # of each quantity, which values lie outside the usual range
        self.findings: dict[str, str] = {}  # column -> finding

    def refuse(self, cells: Cells, where: pl.Series, texts: pl.Series) -> None:
        """Notes which of the odd cells, at these places, say nothing that can be read."""
        at_fault = _is_one_of(texts, [text for text in texts.unique() if cells.of(text).fault])
        name = cells.column.name
        self.findings[name] = cells.finding.name
        for row, text in zip(where.filter(at_fault), texts.filter(at_fault), strict=True):
            cell = cells.of(text)
            self.bad.append(Bad(self.rows[row], name, text, cell.code, cell.fault))


class _KnownTexts:
    """Texts of a yes-no column that have been read: what means yes, no and unknown."""

    def __init__(self) -> None:
        self._texts: dict[bool | None, dict[str, None]] = {True: {}, False: {}, None: {}}

    @property
    def learnt(self) -> int:
        """How many texts."""
        return sum(map(len, self._texts.values()))

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


def _is_among(rows: pl.Series, some: Collection[int]) -> pl.Series:
    return rows.is_in(pl.Series(list(some), dtype=rows.dtype).implode())


def _is_one_of(texts: pl.Series, words: Sequence[str]) -> pl.Series:
    """Without missing values."""
    if len(words) > 3:
        return texts.is_in(list(words)).fill_null(False)
    found = pl.repeat(False, texts.len(), dtype=pl.Boolean, eager=True)
    for word in words:
        found |= (texts == word).fill_null(False)
    return found


def _told(finding: Finding) -> pl.Expr:
    """Where anything is known of a finding."""
    name = finding.name
    if finding.kind == YES_NO:
        return pl.col(f"{name}/yes") | pl.col(f"{name}/no")
    if finding.kind == CHOICE:
        return pl.col(name).is_not_null()
    return (pl.col(f"{name}/low") != -FAR) | (pl.col(f"{name}/high") != FAR)


def _blanked(finding: Finding, where: pl.Series) -> list[pl.Expr]:
    """The columns of a finding, unknown where that is so."""
    name = finding.name
    if finding.kind == YES_NO:
        return [pl.when(where).then(False).otherwise(pl.col(c)).alias(c) for c in (f"{name}/yes", f"{name}/no")]
    if finding.kind == CHOICE:
        return [pl.when(where).then(None).otherwise(pl.col(name)).alias(name)]
    ends = ((f"{name}/low", -FAR), (f"{name}/high", FAR))
    return [pl.when(where).then(far).otherwise(pl.col(c)).alias(c) for c, far in ends]


def as_text(series: pl.Series) -> pl.Series:
    """The values as texts, numbers in digits and without an exponent; missing ones stay so, NaN among them."""
    dtype = series.dtype
    if dtype == pl.String:
        return series
    if dtype.is_float():
        series = series.fill_nan(None)
    if dtype == pl.Boolean:
        return pl.select(pl.when(series).then(pl.lit("yes")).when(~series).then(pl.lit("no"))).to_series()
    if dtype.is_float() or dtype.is_decimal():
        return pl.Series([None if v is None else text_of(v) for v in series], dtype=pl.String)
    return series.cast(pl.String)


def text_of(value: Any) -> str:
    """A value of a cell as text, '' for NaN; a float or decimal in digits, of a float the fewest that mean it, and no more
    than `_DECIMALS` behind the point."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (float, Decimal)):
        return str(value)
    exact = Decimal(repr(round(value, _DECIMALS))) if isinstance(value, float) else value
    if not exact.is_finite():
        return "" if exact.is_nan() else str(value)
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def concluded(plan: Plan, frame: pl.DataFrame) -> tuple[pl.DataFrame, Tally]:
    """The results of each row of a batch, in order, and their counts: of all that the plan tells."""
    compiled = _compiled(plan)
    decided = _in_stages(frame, compiled.stages)
    results = decided.select(ROW, TAKEN, *compiled.results).with_columns(**compiled.texts)
    results = results.select(ROW, *plan.results, TAKEN)
    return results, _counted(plan, decided, results)


def _look_at_choice(finding: Finding, column: Column) -> Iterator[pl.Expr]:
    value = pl.col(column.name)
    plain = [choice for choice, _ in finding.choices if choice not in column.codes]
    yield (value.is_not_null() & ~_is_any(value, plain)).alias(f"{finding.name}/odd")


def _look_at_number(finding: Finding, column: Column, dtype: pl.DataType, convert: Conversion) -> Iterator[list[pl.Expr]]:
    """In stages: the number that a cell holds, whether it plainly is one that can be, the same or 0; and once its half-steps
    are there, whether they can be told from it, and what they are."""
    name, scale = finding.name, finding.scale
    assert scale is not None
    value = pl.col(column.name)
    if dtype.is_numeric():
        if dtype.is_float():
            value = value.fill_nan(None)
        number = value.cast(pl.Float64)
        plain = number.is_finite()
        coded = number.is_in([float(code) for code in column.codes if _reads_as_float(code)])
    else:
        number = value.cast(pl.Float64, strict=False)
        plain = (value.str.len_bytes() <= EXACT_DIGITS) & value.str.contains(_PLAIN)
        coded = value.str.strip_chars().is_in(list(column.codes))
    if column.codes:
        plain &= ~coded
    yield [number.alias(f"{name}/read"), plain.alias(f"{name}/plain"), value.is_not_null().alias(f"{name}/told")]
    read, near, steps, fits = (pl.col(f"{name}/{end}") for end in ("read", "near", "steps", "fits"))
    yield [(pl.col(f"{name}/plain") & (read.abs() <= convert.largest)).fill_null(False).alias(f"{name}/near")]
    yield [pl.when(near).then(read).otherwise(0.0).alias(f"{name}/number")]
    yield [(near & steps.is_between(*convert.plausible) & ~pl.col(f"{name}/doubt")).alias(f"{name}/fits")]
    usual = [half_steps(end, scale.decimals) for end in scale.usual or scale.plausible]
    yield [
        pl.when(fits).then(steps).otherwise(-FAR).alias(f"{name}/low"),
        pl.when(fits).then(steps).otherwise(FAR).alias(f"{name}/high"),
        (pl.col(f"{name}/told") & ~fits).alias(f"{name}/odd"),
        (fits & ((steps < usual[0]) | (steps > usual[1]))).alias(f"{name}/unusual"),
    ]


def _reads_as_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_any(value: pl.Expr, words: Sequence[str]) -> pl.Expr:
    """Where the text is one of these; never missing."""
    if not 0 < len(words) <= 3:
        return value.is_in(pl.Series(words, dtype=pl.String).implode()).fill_null(False)
    first, *others = (value.eq_missing(pl.lit(word)) for word in words)
    return reduce(or_, others, first)


class _Compiled:
    """A plan in polars's own expressions: to say them anew for every part of a table takes longer than to compute them."""

    def __init__(self, plan: Plan) -> None:
        self.derivations = tuple(in_polars(stage) for stage in plan.derivations)
        self.stages = tuple(in_polars(stage) for stage in plan.stages)
        joined = {
            name: [(f"{name}/{i}", _codes(part)) for i, part in enumerate(_parts(masks))]
            for name, masks in plan.lists.items()
        }
        codes = {column: expr for columns in joined.values() for column, (_, expr) in columns}
        codes |= {f"{name}/number": _number_of(choice) for name, choice in plan.choices.items()}
        results = {name: e for name, e in plan.results.items() if name not in joined and name not in plan.choices}
        self.results = in_polars({**results, **codes})
        self.texts = {name: _looked_up([(c, ids) for c, (ids, _) in columns]) for name, columns in joined.items()}
        self.texts |= {
            name: pl.lit(pl.Series(choice.among, dtype=pl.Enum(choice.among))).gather(pl.col(f"{name}/number"))
            for name, choice in plan.choices.items()
        }
        self.constant: dict[tuple[str, str], bool] = {}
        masks: dict[str, nw.Expr] = {}
        if plan.known or plan.waiting:
            groups: dict[str, dict[str, Mask]] = {name: dict(plan.lists[name]) for name in ("red_flags", "rules")}
            groups |= {"known": dict(plan.known), "waiting": dict(plan.waiting)}
            for group, each in groups.items():
                for id, mask in each.items():
                    if isinstance(mask, bool):
                        self.constant[group, id] = mask
                    else:
                        masks[f"{group}:{id}"] = mask
        self.counted = in_polars(masks)


@lru_cache(maxsize=8)
def _compiled(plan: Plan) -> _Compiled:
    return _Compiled(plan)


class _Recorder(pl.LazyFrame):
    """Takes down the expressions that narwhals hands to polars."""

    taken: tuple[pl.Expr, ...] = ()

    def with_columns(self, *exprs: Any, **named_exprs: Any) -> _Recorder:
        assert not named_exprs
        self.taken = exprs
        return self


def in_polars(exprs: Mapping[str, nw.Expr]) -> tuple[pl.Expr, ...]:
    """The same as polars's own expressions, under these names."""
    recorder = _Recorder()
    if exprs:
        nw.from_native(recorder).with_columns(**exprs)
    return recorder.taken


def _in_stages(frame: pl.DataFrame, stages: Iterable[tuple[pl.Expr, ...]]) -> pl.DataFrame:
    for stage in stages:
        if stage:
            frame = frame.with_columns(*stage)
    return frame


def _counted(plan: Plan, decided: pl.DataFrame, results: pl.DataFrame) -> Tally:
    tally = Tally(evaluated=results.height, urgency=_values(results["urgency"]), leading=_values(results["leading"]))
    if not results.height or not (plan.known or plan.waiting):
        return tally
    compiled = _compiled(plan)
    for (group, id), holds in compiled.constant.items():
        getattr(tally, group)[id] = results.height * holds
    # Beside a column of the table: what is the same for every row, or for none, has no length of its own.
    for column in decided.select(ROW, *compiled.counted).drop(ROW):
        group, _, id = column.name.partition(":")
        if number := column.sum():
            getattr(tally, group)[id] = number
    for diagnosis in (name for name in plan.results if points_of(name) in plan.results):
        tally.levels.update({(diagnosis, level): n for level, n in _values(results[diagnosis]).items()})
    return tally


def _values(series: pl.Series) -> Counter[str]:
    return Counter(dict(series.value_counts().iter_rows()))


def _parts(masks: Sequence[tuple[str, nw.Expr]]) -> list[Sequence[tuple[str, nw.Expr]]]:
    return [masks[i : i + _CHUNK] for i in range(0, len(masks), _CHUNK)]


def _codes(part: Iterable[tuple[str, nw.Expr]]) -> tuple[tuple[str, ...], nw.Expr]:
    """The ids, and a column that says by its bits which of them are in."""
    ids, masks = zip(*part, strict=True)
    none = nw.lit(0, nw.UInt16)
    bits = (nw.when(mask).then(nw.lit(1 << bit, nw.UInt16)).otherwise(none) for bit, mask in enumerate(masks))
    return tuple(ids), reduce(add, bits).cast(nw.UInt32)


def _number_of(choice: Choice) -> nw.Expr:
    """Which it is of the texts that it could be."""
    numbers = {
        text: nw.lit(number, nw.UInt8 if len(choice.among) < 256 else nw.UInt32) for number, text in enumerate(choice.among)
    }
    return first_true([(mask, numbers[text]) for mask, text in choice.of], numbers[choice.otherwise])


def _looked_up(columns: Sequence[tuple[str, tuple[str, ...]]]) -> pl.Expr:
    """The ids that the bits of these columns say are in, joined."""
    texts = [pl.lit(_texts(ids)).gather(pl.col(column)) for column, ids in columns]
    # Without its last character, which is JOINT: to look for what to strip copies every text.
    return pl.concat_str(texts).str.head(-1) if texts else pl.lit("")


def _texts(ids: tuple[str, ...]) -> pl.Series:
    """For every number whose bits say which ids are in, the ids joined."""
    return pl.Series(
        ["".join(id + JOINT for bit, id in enumerate(ids) if number >> bit & 1) for number in range(1 << len(ids))]
    )
