"""Any table that narwhals knows, evaluated by expressions alone: lazily where it is lazy, by whatever engine holds it.

The columns hold typed values: booleans or `yes` and `no`, the names of choices, numbers in the unit that the header
names. What texts may say beyond that, such as `> 20000`, is for `tables.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw

from ..knowledge.model import CHOICE, NOWHERE, YES_NO, Finding, Knowledge
from ..knowledge.parser import MEANS_UNKNOWN
from ..knowledge.problems import InvalidInput, Problems
from .columnar import JOINT, Compiler, Mask, Plan, Stage, either, joined
from .layout import Column, Layout, layout_of
from .steps import FAR, conversion

FAULTS = "faults"
YES_WORDS, NO_WORDS = ["yes", "true"], ["no", "false"]


@dataclass(frozen=True)
class Reading:
    """Typed columns as those that a plan reads, and where a value cannot be read."""

    stages: tuple[Stage, ...]
    faults: tuple[tuple[str, nw.Expr], ...]  # what is wrong, and in which rows


def evaluate(frame: Any, knowledge: Knowledge, id: str = "") -> Any:
    """A row for each row of `frame`, a table of the same kind and as lazy: the id where there is one, urgency, red flags,
    the leading diagnosis, level and points of each diagnosis, the rules that fired, and FAULTS.

    A row with a fault has no results but this. A number that lies within a float's error of the middle between two steps is
    rounded away from zero. Raises `InvalidInput` for columns that cannot be understood, and `TooWide`.
    """
    table = nw.from_native(frame)
    schema = table.collect_schema()
    problems = Problems()
    layout = layout_of(tuple(schema.names()), knowledge, id=id, problems=problems, place=NOWHERE)
    if layout is None:
        raise InvalidInput(problems)
    plan = Compiler(knowledge, {column.finding: False for column in layout.columns}).plan()
    reading = typed(knowledge, layout, dict(schema), problems)
    if problems.errors:
        raise InvalidInput(problems)
    return results_of(table, plan, reading, layout.id).to_native()


def results_of(table: Any, plan: Plan, reading: Reading, id: str) -> Any:
    """The results as columns of a narwhals frame, null where a row has a fault."""
    for stage in reading.stages:
        table = table.with_columns(**stage)
    table = plan.decided(plan.derived(table))
    masks: dict[str, nw.Expr] = {}
    for name, mask in (*reading.faults, *((fault.column, nw.col(fault.column)) for fault in plan.faults)):
        masks[name] = masks[name] | mask if name in masks else mask  # what is given and what is derived may be implausible
    faults = list(masks.items())
    sound: Mask = either(mask for _, mask in faults)
    results = dict(plan.results)
    if not isinstance(sound, bool):
        table = table.with_columns(**{FAULTS: sound})
        results = {name: nw.when(~nw.col(FAULTS)).then(expr) for name, expr in results.items()}
    identity = [nw.col(id)] if id else []
    return table.select(*identity, **results, **{FAULTS: joined(faults)})


def typed(knowledge: Knowledge, layout: Layout, schema: dict[str, Any], problems: Problems) -> Reading:
    """How the columns of these types are read; a column whose type cannot say what the finding is, is reported."""
    first: Stage = {}
    second: Stage = {}
    faults: list[tuple[str, nw.Expr]] = []
    for column in layout.columns:
        finding, dtype = knowledge.findings[column.finding], schema[column.name]
        if finding.kind == YES_NO and dtype in (nw.Boolean, nw.Object):
            value = nw.col(column.name)
            first |= {f"{finding.name}/yes": _is(value, True), f"{finding.name}/no": _is(value, False)}
        elif finding.kind == YES_NO and dtype in (nw.String, nw.Unknown):
            faults.append(_words(first, finding, column))
        elif finding.kind == CHOICE and dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object, nw.Unknown):
            faults.append(_choice(first, second, finding, column))
        elif finding.scale is not None and dtype.is_numeric():
            faults.append(_number(first, second, finding, column, dtype.is_float()))
        elif finding.scale is not None and dtype in (nw.String, nw.Unknown):
            faults.append(_no_number(first, finding, column))
        else:
            said = f"column {column.name!r} holds {dtype}, which cannot say what '{finding.name}' is"
            problems.add(NOWHERE, "wrong-type", said, f"'{finding.name}' is a {finding.kind} finding")
    return Reading((first, second), tuple(faults))


def _is(value: nw.Expr, truth: bool) -> nw.Expr:
    """Never missing: a missing value is neither yes nor no."""
    return (~value.is_null()) & (value == truth).fill_null(False)


def _words(first: Stage, finding: Finding, column: Column) -> tuple[str, nw.Expr]:
    text = _text(column)
    first[f"{finding.name}/yes"] = text.is_in(YES_WORDS)
    first[f"{finding.name}/no"] = text.is_in(NO_WORDS)
    bad = f"unreadable:{finding.name}"
    first[bad] = ~text.is_in([*YES_WORDS, *NO_WORDS, *MEANS_UNKNOWN, ""])
    return bad, nw.col(bad)


def _text(column: Column) -> nw.Expr:
    """In small letters, empty where a value is missing. Cast in any case: what pandas calls text may hold booleans."""
    value = nw.col(column.name)
    text = nw.when(~value.is_null()).then(value.cast(nw.String)).otherwise(nw.lit(""))
    return text.str.strip_chars().str.to_lowercase()


def _choice(first: Stage, second: Stage, finding: Finding, column: Column) -> tuple[str, nw.Expr]:
    text = _text(column)
    word = f"{finding.name}/word"
    first[word] = text.str.replace_all(" ", "_", literal=True)
    choices = [choice for choice, _ in finding.choices]
    known = nw.col(word).is_in(choices)
    second[finding.name] = nw.when(known).then(nw.col(word))
    bad = f"unreadable:{finding.name}"
    second[bad] = ~(known | nw.col(word).is_in([*MEANS_UNKNOWN, ""]))
    return bad, nw.col(bad)


def _no_number(first: Stage, finding: Finding, column: Column) -> tuple[str, nw.Expr]:
    """A column of texts says nothing of a quantity, and must not: pandas has such columns where all values are missing."""
    bad = f"unreadable:{finding.name}"
    first[bad] = ~_text(column).is_in([*MEANS_UNKNOWN, ""])
    first[f"{finding.name}/low"], first[f"{finding.name}/high"] = nw.lit(-FAR, nw.Int64), nw.lit(FAR, nw.Int64)
    return bad, nw.col(bad)


def _number(first: Stage, second: Stage, finding: Finding, column: Column, may_be_nan: bool) -> tuple[str, nw.Expr]:
    assert finding.scale is not None
    convert = conversion(finding, column.unit)
    number = nw.col(column.name).cast(nw.Float64)
    told = ~number.is_null()
    if may_be_nan:
        told = told & ~number.is_nan().fill_null(True)
    near = told & (number.abs() <= convert.largest).fill_null(False)
    steps, within = f"{finding.name}/steps", f"{finding.name}/near"
    first[steps] = convert.steps(nw.when(near).then(number).otherwise(nw.lit(0.0)))
    first[within] = near
    first[f"{finding.name}/told"] = told
    good = nw.col(within) & convert.is_plausible(nw.col(steps))
    implausible = f"{finding.name}/implausible"  # not as the plan calls it where what is derived is
    second[implausible] = nw.col(f"{finding.name}/told") & ~good
    second[f"{finding.name}/low"] = nw.when(good).then(nw.col(steps)).otherwise(nw.lit(-FAR, nw.Int64))
    second[f"{finding.name}/high"] = nw.when(good).then(nw.col(steps)).otherwise(nw.lit(FAR, nw.Int64))
    return f"implausible:{finding.name}", nw.col(implausible)


__all__ = ["FAULTS", "JOINT", "Reading", "evaluate", "results_of", "typed"]
