"""A knowledge base as column expressions: what follows, for every row of a table at once.

Every condition becomes two masks, where it is surely yes and where it is surely no; nowhere is a missing value compared,
negated or summed, so that no engine's idea of missing values can turn unknown into no. The masks are made in stages: first
what the findings say, then concepts, scores and gated findings, each after all that it rests on, then rules, levels and
urgency. What no column tells is unknown, and is folded away before anything is computed.

The columns that a plan reads, as `rows.py`, `tables.py` and `evaluation.py` make them:

- of a yes-no finding NAME, `NAME/yes` and `NAME/no`;
- of a choice, `NAME`, null where unknown;
- of a quantity, `NAME/low` and `NAME/high` in half-steps (`steps.py`), and `NAME/from` and `NAME/to`, its reference
  interval, where rows bring their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any, Union

import narwhals as nw

from ..inference.weighing import flags_in_order, levels_asking_for
from ..knowledge.model import (
    AT_LEAST_LIKELY,
    AT_LEAST_POSSIBLE,
    CHOICE,
    LEAVES,
    LEVELS,
    URGENCIES,
    YES_NO,
    All,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Diagnosis,
    Is,
    IsOneOf,
    Item,
    Knowledge,
    Leaf,
    Not,
    OutOfRange,
    Rule,
    Score,
    TimesUpperLimit,
)
from .steps import (
    FAR,
    OPPOSITE,
    ROOM,
    TooWide,
    check_room,
    derived_steps,
    half_steps,
    limit_in_steps,
    surely,
    surely_to,
)

Mask = Union[nw.Expr, bool]  # a boolean column without missing values, or the same for every row
Number = Union[nw.Expr, int]
Stage = dict[str, nw.Expr]
JOINT = ";"  # between the ids in a column of several


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row as a whole: the column that is true there, and the findings that are at odds."""

    column: str
    code: str
    names: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Choice:
    """A text for each row: the first whose mask is true there."""

    of: tuple[tuple[nw.Expr, str], ...]
    otherwise: str
    among: tuple[str, ...] = ()  # all that it could be in any table, in their order

    @property
    def text(self) -> nw.Expr:
        return first_true([(mask, _column(text)) for mask, text in self.of], _column(self.otherwise))


def first_true(of: Sequence[tuple[nw.Expr, nw.Expr]], otherwise: nw.Expr) -> nw.Expr:
    """For each row the value beside the first mask that is true there."""
    if len(of) > _NESTED:  # as a tree: to nest one for each of hundreds is deeper than Python goes
        first, rest = of[: len(of) // 2], of[len(of) // 2 :]
        some = _column(either(mask for mask, _ in first))
        return nw.when(some).then(first_true(first, otherwise)).otherwise(first_true(rest, otherwise))
    found = otherwise
    for mask, value in reversed(of):
        found = nw.when(mask).then(value).otherwise(found)
    return found


_NESTED = 64


def choice(of: Iterable[tuple[Mask, str]], otherwise: str, among: tuple[str, ...]) -> Choice:
    """The same without the masks that are nowhere true, and what comes after one that is everywhere."""
    kept: list[tuple[nw.Expr, str]] = []
    for mask, text in of:
        if mask is True:
            return Choice(tuple(kept), text, among)
        if mask is not False:
            kept.append((mask, text))
    return Choice(tuple(kept), otherwise, among)


@dataclass(frozen=True, eq=False)
class Plan:
    """Expressions in stages, each over the columns of those before it. `derivations` come first, and tell what is at
    fault."""

    derivations: tuple[Stage, ...]
    faults: tuple[Fault, ...]
    stages: tuple[Stage, ...]
    results: Mapping[str, nw.Expr]
    lists: Mapping[str, tuple[tuple[str, nw.Expr], ...]]  # of each result that joins ids: the id, and the mask of its rows
    choices: Mapping[str, Choice]  # of each result that is one of a few texts
    known: Mapping[str, Mask] = field(default_factory=dict)  # finding -> for whom it is known, or no because its gate is
    waiting: Mapping[str, Mask] = field(default_factory=dict)  # finding -> for whom it keeps a diagnosis undecided

    def derived(self, frame: Any) -> Any:
        """The frame with derived quantities and with the columns of the faults."""
        return _in_stages(frame, self.derivations)

    def decided(self, frame: Any) -> Any:
        """The frame, after `derived`, with everything that the results are made of."""
        return _in_stages(frame, self.stages)


def _in_stages(frame: Any, stages: Iterable[Stage]) -> Any:
    for stage in stages:
        if stage:
            frame = frame.with_columns(**stage)
    return frame


# Masks ----------------------------------------------------------------------------------------------------------------


def both(masks: Iterable[Mask]) -> Mask:
    """Where all are true."""
    rest: list[nw.Expr] = []
    for mask in masks:
        if mask is False:
            return False
        if mask is not True:
            rest.append(mask)
    return _folded(rest, lambda a, b: a & b, True)


def either(masks: Iterable[Mask]) -> Mask:
    """Where any is true."""
    rest: list[nw.Expr] = []
    for mask in masks:
        if mask is True:
            return True
        if mask is not False:
            rest.append(mask)
    return _folded(rest, lambda a, b: a | b, False)


def but_not(mask: Mask) -> Mask:
    """Where it is not true."""
    return not mask if isinstance(mask, bool) else ~mask


def _folded(masks: list[nw.Expr], join: Callable[[nw.Expr, nw.Expr], nw.Expr], none: bool) -> Mask:
    if not masks:
        return none
    while len(masks) > 1:  # as a balanced tree: a long chain is deeper than some engines go
        pairs = [join(a, b) for a, b in zip(masks[::2], masks[1::2], strict=False)]
        masks = [*pairs, masks[-1]] if len(masks) % 2 else pairs
    return masks[0]


def how_many(masks: Sequence[Mask]) -> Number:
    """In how many of them each row is."""
    kind = _narrowest(len(masks))
    return _sum(_where(mask, 1, 0, kind) for mask in masks)


def _narrowest(most: int) -> Any:
    """The kind of column for numbers up to this: the narrower it is, the sooner it is computed."""
    return nw.Int8 if most < 2**7 else nw.Int16 if most < 2**15 else nw.Int32 if most < 2**31 else nw.Int64


def _sum(numbers: Iterable[Number]) -> Number:
    constant = 0
    rest: list[nw.Expr] = []
    for number in numbers:
        if isinstance(number, int):
            constant += number
        else:
            rest.append(number)
    if not rest:
        return constant
    while len(rest) > 1:
        pairs = [a + b for a, b in zip(rest[::2], rest[1::2], strict=False)]
        rest = [*pairs, rest[-1]] if len(rest) % 2 else pairs
    return rest[0] + constant if constant else rest[0]


def _at_least(number: Number, least: int) -> Mask:
    return number >= least


def _where(mask: Mask, yes: Number, no: Number, kind: Any = nw.Int64) -> Number:
    """The one where the mask is true, else the other; constants in columns of this kind. To choose between two numbers takes
    a quarter of the time of a cast."""
    if isinstance(mask, bool):
        return yes if mask else no
    if isinstance(yes, int) and isinstance(no, int) and yes == no:
        return yes
    return nw.when(mask).then(_column(yes, kind)).otherwise(_column(no, kind))


def _widened(number: Number, kind: Any) -> Number:
    """With room for any number that it may be compared or reckoned with."""
    return number if isinstance(number, int) else number.cast(kind)


def _column(value: Number | bool | str, kind: Any = nw.Int64) -> nw.Expr:
    if isinstance(value, bool):
        return nw.lit(value, nw.Boolean)
    if isinstance(value, int):
        return nw.lit(value, kind)
    return nw.lit(value, nw.String) if isinstance(value, str) else value


def joined(ids: Iterable[tuple[str, nw.Expr]]) -> nw.Expr:
    """The ids whose masks are true, in their order, in one text."""
    parts = [Choice(((mask, id + JOINT),), "").text for id, mask in ids]
    return nw.concat_str(parts).str.strip_chars(JOINT) if parts else _column("")


# Compilation ----------------------------------------------------------------------------------------------------------


class Compiler:
    """Compiles one knowledge base for tables in which only some findings have columns.

    `present` maps these findings to whether rows bring a reference interval of their own. Raises `TooWide`.
    """

    def __init__(self, knowledge: Knowledge, present: Mapping[str, bool]) -> None:
        for name in present:
            check_room(knowledge.findings[name])
        self.knowledge = knowledge
        self.present = dict(present)
        self.derivations: list[Stage] = []
        self.faults: list[Fault] = []
        self.stages: list[Stage] = [{}]
        self._columns: dict[str, Mask] = {}  # what a mask, once asked for, is now called
        self._leaf_masks: dict[tuple[Leaf, bool], Mask] = {}
        self._totals: dict[str, tuple[Number, Number, int]] = {}
        self._depth = knowledge.depth

    def plan(self, waiting: bool = False) -> Plan:
        """The whole plan; with what keeps diagnoses undecided only where that is asked for."""
        self._derive()
        self._impossible()
        for name in self.knowledge.decision_order:
            self._decide(name)
        self._new_stage()
        results = _Results(self)
        wanted = results.columns()
        known = {name: self._known(name) for name in self._tellable()} if waiting else {}
        lacking = results.waiting() if waiting else {}
        stages = tuple(self.stages)
        return Plan(
            tuple(self.derivations), tuple(self.faults), stages, wanted, results.lists, results.choices, known, lacking
        )

    # Stages

    def _new_stage(self) -> None:
        if self.stages[-1]:
            self.stages.append({})

    def column(self, name: str, value: Mask | Number) -> Any:
        """A new column of the present stage, to be read from the next one on; a constant stays one."""
        if isinstance(value, (bool, int)):
            return value
        assert name not in self.stages[-1]
        self.stages[-1][name] = value
        return nw.col(name)

    # What is derived, and what is at fault

    def _derive(self) -> None:
        """In the order of dependency: a derived quantity whose inputs have no column has none that differs from its own."""
        pending = [f for f in self.knowledge.findings.values() if f.scale is not None and f.scale.derived is not None]
        while True:
            ready = [f for f in pending if set(f.scale.derived.inputs) <= self.present.keys()]  # type: ignore[union-attr]
            later = {f.name for f in pending}
            ready = [f for f in ready if not set(f.scale.derived.inputs) & later]  # type: ignore[union-attr]
            if not ready:
                pending = [f for f in pending if set(f.scale.derived.inputs) & later]  # type: ignore[union-attr]
                if not pending or {f.name for f in pending} == later:
                    return
                continue
            steps: tuple[Stage, ...] = ({}, {}, {}, {})
            for finding in ready:
                self._derive_one(finding.name, *steps)
            self.derivations += steps
            pending = [f for f in pending if f not in ready]

    def _derive_one(self, name: str, computed: Stage, contradicted: Stage, implausible: Stage, taken: Stage) -> None:
        """Adds its columns to four stages, one after the other."""
        finding = self.knowledge.findings[name]
        check_room(finding)
        scale = finding.scale
        assert scale is not None and scale.derived is not None
        inputs = [self.knowledge.findings[i] for i in scale.derived.inputs]
        ends = [(nw.col(f"{i.name}/low"), nw.col(f"{i.name}/high")) for i in inputs]
        known = both([low == high for low, high in ends])
        if scale.derived.how == "ratio":
            known = both([known, ends[1][0] != 0])
        values = [nw.when(low == high).then(low).otherwise(_column(2)).cast(nw.Int64) // 2 for low, high in ends]
        if scale.derived.how == "ratio":
            values[1] = nw.when(values[1] == 0).then(_column(1)).otherwise(values[1])
        decimals = [i.scale.decimals for i in inputs if i.scale is not None]
        most = [
            max(abs(half_steps(end, i.scale.decimals)) for end in i.scale.plausible) // 2 + 1
            for i in inputs
            if i.scale is not None
        ]
        value = derived_steps(name, scale, values, decimals, most)
        from_what = f"{scale.derived.how.replace('_', ' ')} of {', '.join(scale.derived.inputs)}"
        new, can = f"{name}/derived", f"{name}/derivable"
        computed |= {new: value, can: _column(known)}
        beyond = (nw.col(new) < half_steps(scale.plausible[0], scale.decimals)) | (
            nw.col(new) > half_steps(scale.plausible[1], scale.decimals)
        )
        applies = nw.col(can)
        if name in self.present:
            low, high = nw.col(f"{name}/low"), nw.col(f"{name}/high")
            differs = applies & ((low > nw.col(new)) | (high < nw.col(new)))
            self._fault(
                contradicted,
                f"contradiction:{name}",
                "contradiction",
                (name, *scale.derived.inputs),
                differs,
                f"'{name}' differs from the {from_what}",
            )
            applies = applies & (low != high) & ~nw.col(f"contradiction:{name}")
            old_low, old_high = low, high
        else:
            old_low, old_high = _column(-FAR), _column(FAR)
        self._fault(
            implausible,
            f"implausible:{name}",
            "implausible",
            (name, *scale.derived.inputs),
            applies & beyond,
            f"'{name}' ({from_what}) is not plausible",
        )
        applies = applies & ~nw.col(f"implausible:{name}")
        taken |= {
            f"{name}/low": nw.when(applies).then(nw.col(new)).otherwise(old_low),
            f"{name}/high": nw.when(applies).then(nw.col(new)).otherwise(old_high),
        }
        self.present.setdefault(name, False)

    def _impossible(self) -> None:
        found: Stage = {}
        for fault in self.knowledge.impossible.values():
            mask = self._raw(fault.when, True)
            if mask is not False:
                names = tuple(_names(fault.when))
                said = f"cannot hold together: {fault.title}"
                self._fault(found, f"impossible:{fault.id}", "impossible", names, _column(mask), said)
        self.derivations.append(found)

    def _fault(self, stage: Stage, column: str, code: str, names: tuple[str, ...], where: nw.Expr, message: str) -> None:
        stage[column] = where
        self.faults.append(Fault(column, code, self._with_inputs(names), message))

    def _with_inputs(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """With all that the derived ones among them rest on: what is derived is at odds for as long as these are known."""
        found = dict.fromkeys(names)
        pending = list(names)
        while pending:
            scale = self.knowledge.findings[pending.pop(0)].scale
            inputs = scale.derived.inputs if scale is not None and scale.derived is not None else ()
            pending += [name for name in inputs if name not in found]
            found |= dict.fromkeys(inputs)
        return tuple(found)

    def _raw(self, condition: Condition, wanted: bool) -> Mask:
        """A condition over the answers alone: before any gate, concept or score."""
        return _tree(condition, wanted, lambda leaf, want: self._of_finding(leaf, want))

    # Conditions

    def mask(self, condition: Condition, wanted: bool) -> Mask:
        """Where the condition is surely yes, or surely no; over columns of earlier stages only."""
        return _tree(condition, wanted, self._leaf)

    def _leaf(self, leaf: Leaf, wanted: bool) -> Mask:
        key = (leaf, wanted)
        if key not in self._leaf_masks:
            self._leaf_masks[key] = self._new_leaf(leaf, wanted)
        return self._leaf_masks[key]

    def _new_leaf(self, leaf: Leaf, wanted: bool) -> Mask:
        if isinstance(leaf, Is) and leaf.name in self._depth:
            return self._columns[f"{leaf.name}/{'yes' if wanted else 'no'}"]
        if isinstance(leaf, Compare) and leaf.name in self._totals:
            return self._total_compared(leaf, wanted)
        mask = self._of_finding(leaf, wanted)
        if isinstance(mask, bool) or isinstance(leaf, Is):
            return mask
        # Of the findings alone, so that it belongs in the first stage, where it is computed once.
        name = f"leaf/{len(self._leaf_masks)}"
        self.stages[0][name] = mask
        return nw.col(name) if len(self.stages) > 1 else mask

    def _of_finding(self, leaf: Leaf, wanted: bool) -> Mask:
        if leaf.name not in self.present:
            return False
        name = leaf.name
        if isinstance(leaf, Is):
            return nw.col(f"{name}/yes") if wanted else nw.col(f"{name}/no")
        if isinstance(leaf, IsOneOf):
            others = [c for c, _ in self.knowledge.findings[name].choices if c not in leaf.values]
            return either([(nw.col(name) == c).fill_null(False) for c in (leaf.values if wanted else others)])
        return self._of_quantity(leaf, wanted)

    def _of_quantity(self, leaf: Leaf, wanted: bool) -> Mask:
        scale = self.knowledge.findings[leaf.name].scale
        assert scale is not None
        low, high = nw.col(f"{leaf.name}/low"), nw.col(f"{leaf.name}/high")
        if isinstance(leaf, Compare):
            operator = leaf.operator if wanted else OPPOSITE[leaf.operator]
            return surely(low, high, operator, limit_in_steps(leaf.limit, scale.decimals))
        if scale.reference is None:
            return False
        assert isinstance(leaf, (OutOfRange, TimesUpperLimit))
        if isinstance(leaf, OutOfRange):
            below = leaf.side == "below"
            operator, factor, end = ("<" if below else ">", Decimal(1), "from" if below else "to")
            limit = scale.reference[0 if below else 1]
        else:
            operator, factor, end, limit = leaf.operator, leaf.factor, "to", scale.reference[1]
        operator = operator if wanted else OPPOSITE[operator]
        if self.present[leaf.name]:
            if max(Fraction(factor).as_integer_ratio()) * FAR >= 2**62:
                raise TooWide(f"{factor} times the upper limit of '{leaf.name}'")
            return surely_to(low, high, operator, nw.col(f"{leaf.name}/{end}"), factor)
        return surely(low, high, operator, limit_in_steps(factor * limit, scale.decimals))

    def _tellable(self) -> list[str]:
        """The findings of which anything can be known."""
        gated = (name for name in self._depth if name in self.knowledge.findings)
        return sorted({*self.present, *gated})

    def _known(self, name: str) -> Mask:
        if name in self._depth:
            return either([self._leaf(Is(name), wanted) for wanted in (True, False)])
        return self._answered(name)

    def _answered(self, name: str) -> Mask:
        if name not in self.present:
            return False
        kind = self.knowledge.findings[name].kind
        if kind == YES_NO:
            return nw.col(f"{name}/yes") | nw.col(f"{name}/no")
        if kind == CHOICE:
            return ~nw.col(name).is_null()
        return (nw.col(f"{name}/low") != -FAR) | (nw.col(f"{name}/high") != FAR)

    def idle(self, name: str) -> Mask:
        """Where it makes no sense to ask for the finding: its gate is no, or waits only for what makes no sense to ask."""
        gate = self.knowledge.findings[name].ask_when
        return False if gate is None else _tree(gate, False, self._idle_leaf)

    def _idle_leaf(self, leaf: Leaf, wanted: bool) -> Mask:
        mask = self._leaf(leaf, wanted)
        if wanted or leaf.name not in self.knowledge.findings:
            return mask
        open_ = both([but_not(self._leaf(leaf, True)), but_not(mask), but_not(self._answered(leaf.name))])
        return either([mask, both([open_, self.idle(leaf.name)])])

    # Concepts, scores and gated findings

    def _decide(self, name: str) -> None:
        if len(self.stages) <= self._depth[name]:
            self.stages.append({})
        if name in self.knowledge.scores:
            self._totals[name] = self._total(self.knowledge.scores[name])
            return
        if name in self.knowledge.concepts:
            when = self.knowledge.concepts[name].when
            for wanted, word in ((True, "yes"), (False, "no")):
                self._columns[f"{name}/{word}"] = self.column(f"{name}/{word}", self.mask(when, wanted))
            return
        gate = self.knowledge.findings[name].ask_when
        assert gate is not None
        yes, no = self._of_finding(Is(name), True), self._of_finding(Is(name), False)
        closed = both([but_not(either([yes, no])), self.mask(gate, False)])
        self._columns[f"{name}/yes"] = yes
        # Under another name: the answer itself is still read by what cannot hold together.
        self._columns[f"{name}/no"] = self.column(f"{name}/no or closed", either([no, closed]))

    def _total(self, score: Score) -> tuple[Number, Number, int]:
        """The lowest and highest total in columns, in units of the last decimal of any item's points; how many decimals."""
        decimals = max((-int(item.points.normalize().as_tuple().exponent) for item in score.counted), default=0)
        decimals = max(decimals, 0)
        most = sum(abs(int(item.points.scaleb(decimals))) for item in score.counted)
        if most >= ROOM:
            raise TooWide(f"the points of '{score.name}'")
        kind = _narrowest(most)
        low: list[Number] = []
        high: list[Number] = []
        for item in score.items:
            points = int(item.points.scaleb(decimals))
            yes, not_no = self.mask(item.when, True), but_not(self.mask(item.when, False))
            low.append(_where(yes if points > 0 else not_no, points, 0, kind))
            high.append(_where(not_no if points > 0 else yes, points, 0, kind))
        for group in score.one_of:
            low.append(self._first(group, decimals, kind, least=True))
            high.append(self._first(group, decimals, kind, least=False))
        ends = (
            self.column(f"{score.name}/{end}", _widened(_sum(numbers), nw.Int64))
            for end, numbers in (("low", low), ("high", high))
        )
        return (*ends, decimals)

    def _first(self, group: tuple[Item, ...], decimals: int, kind: Any, *, least: bool) -> Number:
        """The least, or most, that the first item to hold can give; nothing where none may."""
        may: dict[int, list[Mask]] = {}
        before: Mask = False  # where an earlier item holds
        for item in group:
            points = int(item.points.scaleb(decimals))
            may.setdefault(points, []).append(both([but_not(before), but_not(self.mask(item.when, False))]))
            before = either([before, self.mask(item.when, True)])
        may.setdefault(0, []).append(but_not(before))
        (last, *others) = sorted(may, reverse=least)
        found: Number = last
        for points in others:
            found = _where(either(may[points]), points, found, kind)
        return found

    def _total_compared(self, leaf: Compare, wanted: bool) -> Mask:
        low, high, decimals = self._totals[leaf.name]
        operator = leaf.operator if wanted else OPPOSITE[leaf.operator]
        limit = max(Fraction(-ROOM), min(Fraction(leaf.limit) * 10**decimals, Fraction(ROOM)))  # beyond every total
        if operator == ">=":
            return _at_least(low, ceil(limit))
        if operator == ">":
            return _at_least(low, floor(limit) + 1)
        return _at_most(high, ceil(limit) - 1 if operator == "<" else floor(limit))


def _tree(condition: Condition, wanted: bool, leaf: Callable[[Leaf, bool], Mask]) -> Mask:
    """The mask of a tree, given those of its leaves: strong Kleene logic, one side at a time."""
    if isinstance(condition, Not):
        return _tree(condition.child, not wanted, leaf)
    if isinstance(condition, (All, AnyOf)):
        each = [_tree(child, wanted, leaf) for child in condition.children]
        return both(each) if isinstance(condition, All) == wanted else either(each)
    if isinstance(condition, AtLeast):
        each = [_tree(child, wanted, leaf) for child in condition.children]
        return _at_least(how_many(each), condition.count if wanted else len(each) - condition.count + 1)
    return leaf(condition, wanted)


def _names(condition: Condition) -> list[str]:
    from ..knowledge.model import leaves

    return [leaf.name for leaf in leaves(condition)]


# Results --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grounds:
    """Where any rule of a diagnosis has fired that is of each kind."""

    establishing: Mask
    excluded: Mask
    any_for: Mask
    any_open: Mask  # undecided, and for it
    any_fired: Mask


@dataclass(frozen=True)
class _Standing:
    """Where a diagnosis would be at a level if nothing above it held."""

    established: Mask
    possible: Mask
    likely: Mask  # where it is possible
    unlikely: Mask
    hopeless: Mask


class _Results:
    """From rules to levels, urgency and rank: what `weighing.py` says, in columns."""

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.knowledge = compiler.knowledge
        self.fired: dict[str, Mask] = {}
        self.open: dict[str, Mask] = {}
        self.lists: dict[str, tuple[tuple[str, nw.Expr], ...]] = {}
        self.choices: dict[str, Choice] = {}
        self.flags: dict[str, Mask] = {}
        for rule in self.knowledge.rules.values():
            self.fired[rule.id] = compiler.column(f"{rule.id}/fired", compiler.mask(rule.when, True))
            if rule.is_for:
                no = compiler.mask(rule.when, False)
                undecided = both([but_not(compiler.mask(rule.when, True)), but_not(no)])
                self.open[rule.id] = compiler.column(f"{rule.id}/open", undecided)
        for flag in self.knowledge.red_flags.values():
            self.flags[flag.id] = compiler.column(f"{flag.id}/fired", compiler.mask(flag.when, True))
        self.needs = {d.id: self._truth(d, "needs", d.needs) for d in self.knowledge.diagnoses.values()}
        self.likely_needs = {d.id: self._truth(d, "likely", d.likely_when) for d in self.knowledge.diagnoses.values()}
        compiler._new_stage()
        self.weighed = sum(abs(self.knowledge.weighing.points(rule.then)) for rule in self.knowledge.rules.values())
        if self.weighed >= 2**31:
            raise TooWide("the points of all rules together")
        self.points = {d: compiler.column(f"{d}/points", self._points(d)) for d in self.knowledge.diagnoses}
        self.grounds = {d: self._grounds(d) for d in self.knowledge.diagnoses}
        compiler._new_stage()
        self.levels: dict[str, dict[str, Mask]] = {}
        self._decide({self.knowledge.diagnoses[d]: False for d in self.knowledge.before_exclusion})
        self._exclusions()

    def _truth(self, diagnosis: Diagnosis, word: str, condition: Condition | None) -> tuple[Mask, Mask]:
        """Where it is yes, and where no."""
        if condition is None:
            return True, False
        yes, no = (self.compiler.mask(condition, wanted) for wanted in (True, False))
        return (
            self.compiler.column(f"{diagnosis.id}/{word} yes", yes),
            self.compiler.column(f"{diagnosis.id}/{word} no", no),
        )

    def _points(self, diagnosis: str) -> Number:
        """The points of the rules that count: of a cluster, the strongest for and the strongest against."""
        weigh = self.knowledge.weighing.points
        kind = _narrowest(sum(abs(weigh(rule.then)) for rule in self.knowledge.rules_of[diagnosis]))
        groups: dict[tuple[str, bool], list[Rule]] = {}
        parts: list[Number] = []
        for rule in self.knowledge.rules_of[diagnosis]:
            if not weigh(rule.then):
                continue
            if rule.cluster:
                groups.setdefault((rule.cluster, rule.is_for), []).append(rule)
            else:
                parts.append(_where(self.fired[rule.id], weigh(rule.then), 0, kind))
        for rules in groups.values():
            stronger: Mask = False
            for points in sorted({weigh(r.then) for r in rules}, key=abs, reverse=True):
                some = either([self.fired[r.id] for r in rules if weigh(r.then) == points])
                parts.append(_where(both([some, but_not(stronger)]), points, 0, kind))
                stronger = either([stronger, some])
        return _widened(_sum(parts), nw.Int32)

    def _exclusions(self) -> None:
        """The diagnoses of exclusion, after all others: where anything else is found, they are not supported."""
        if not self.knowledge.of_exclusion:
            return
        likely = [masks[level] for masks in self.levels.values() for level in AT_LEAST_LIKELY]
        found = self.compiler.column("something else", either([*self.flags.values(), *likely]))
        self.compiler._new_stage()
        barred: dict[Diagnosis, Mask] = {}
        for entry in map(self.knowledge.diagnoses.__getitem__, self.knowledge.of_exclusion):
            barred[entry] = either([found, *(self.compiler.mask(leaf, True) for leaf in entry.needs_no)])
        self._decide(barred)

    def _grounds(self, diagnosis: str) -> _Grounds:
        """What its rules come to, whether its needs are met or not."""
        rules = self.knowledge.rules_of[diagnosis]
        of_it: dict[str, list[Mask]] = {
            "any establishing": [self.fired[r.id] for r in rules if r.then == "establishes"],
            "any excluding": [self.fired[r.id] for r in rules if r.then == "excludes"],
            "any for": [self.fired[r.id] for r in rules if r.is_for],
            "any open": [self.open[r.id] for r in rules if r.is_for],
            "any fired": [self.fired[r.id] for r in rules],
        }
        return _Grounds(*(self.compiler.column(f"{diagnosis}/{word}", either(masks)) for word, masks in of_it.items()))

    def _decide(self, barred: Mapping[Diagnosis, Mask]) -> None:
        """Where each of these diagnoses is at each level; everyone is at exactly one. Its needs are not met where it is
        barred. In three stages, so that nothing is computed twice."""
        if not barred:
            return
        standing = {entry: self._standing(entry, where) for entry, where in barred.items()}
        self.compiler._new_stage()
        rest: dict[Diagnosis, tuple[Mask, Mask]] = {}
        for entry, at in standing.items():
            unsettled = but_not(either([self.grounds[entry.id].excluded, at.established]))
            nothing = both([unsettled, but_not(at.possible), but_not(at.unlikely)])
            rest[entry] = (
                self.compiler.column(f"{entry.id}/unsettled", unsettled),
                self.compiler.column(f"{entry.id}/nothing", nothing),
            )
        self.compiler._new_stage()
        for entry, at in standing.items():
            self.levels[entry.id] = self._levels(entry.id, at, *rest[entry])
        self.compiler._new_stage()

    def _standing(self, entry: Diagnosis, barred: Mask) -> _Standing:
        weighing, points, of_it = self.knowledge.weighing, self.points[entry.id], self.grounds[entry.id]
        needed, needed_not = self.needs[entry.id]
        has, has_not = both([needed, but_not(barred)]), either([needed_not, barred])
        waits = both([but_not(has), but_not(has_not), of_it.any_for])
        masks = {
            "has established": both([has, of_it.establishing]),
            "has possible": both([has, _at_least(points, weighing.possible)]),
            "has likely": both([_at_least(points, weighing.likely), self.likely_needs[entry.id][0]]),
            "has unlikely": _at_most(points, weighing.unlikely),
            "hopeless": either([has_not, but_not(either([of_it.any_open, waits]))]),
        }
        return _Standing(*(self.compiler.column(f"{entry.id}/{word}", mask) for word, mask in masks.items()))

    def _levels(self, diagnosis: str, at: _Standing, unsettled: Mask, nothing: Mask) -> dict[str, Mask]:
        """The first that holds, in the order of `weighing.py`."""
        of_it = self.grounds[diagnosis]
        levels: dict[str, Mask] = {
            "contradictory": both([of_it.excluded, at.established]),
            "excluded": both([of_it.excluded, but_not(at.established)]),
            "established": both([at.established, but_not(of_it.excluded)]),
            "likely": both([unsettled, at.possible, at.likely]),
            "possible": both([unsettled, at.possible, but_not(at.likely)]),
            "unlikely": both([unsettled, but_not(at.possible), at.unlikely]),
            "not supported": both([nothing, at.hopeless]),
            "undecided": both([nothing, but_not(at.hopeless), of_it.any_fired]),
            "not assessed": both([nothing, but_not(at.hopeless), but_not(of_it.any_fired)]),
        }
        return {level: self.compiler.column(f"{diagnosis}/{level}", mask) for level, mask in levels.items()}

    def columns(self) -> dict[str, nw.Expr]:
        """The columns of a result, in their order, without the id."""
        found = {"urgency": self._urgency(), "red_flags": self._red_flags(), "leading": self._leading()}
        for diagnosis in self.knowledge.order:
            levels = self.levels[diagnosis].items()
            found[diagnosis] = self._choice(diagnosis, ((mask, level) for level, mask in levels), LEVELS[-1], LEVELS)
            found[points_of(diagnosis)] = _column(self.points[diagnosis], nw.Int32)
        found["rules"] = self._list("rules", self.fired.items())
        return found

    def _choice(self, column: str, of: Iterable[tuple[Mask, str]], otherwise: str, among: tuple[str, ...]) -> nw.Expr:
        self.choices[column] = choice(of, otherwise, among)
        return self.choices[column].text

    def _list(self, column: str, masks: Iterable[tuple[str, Mask]]) -> nw.Expr:
        self.lists[column] = tuple((id, _column(mask)) for id, mask in masks if mask is not False)
        return joined(self.lists[column])

    def _urgency(self) -> nw.Expr:
        choices: list[tuple[Mask, str]] = []
        for urgency in reversed(URGENCIES[1:]):
            flags = [mask for flag, mask in self.flags.items() if self.knowledge.red_flags[flag].urgency == urgency]
            levels = [
                self.levels[d.id][level]
                for d in self.knowledge.diagnoses.values()
                for level in levels_asking_for(d, urgency)
            ]
            choices.append((either([*flags, *levels]), urgency))
        return self._choice("urgency", choices, URGENCIES[0], URGENCIES)

    def _red_flags(self) -> nw.Expr:
        flags = flags_in_order(self.knowledge, self.knowledge.red_flags)
        return self._list("red_flags", [(flag.id, self.flags[flag.id]) for flag in flags])

    def _leading(self) -> nw.Expr:
        """The first by level, then points, then the document's order: the highest of numbers that sort so."""
        order = self.knowledge.order
        room = 2 * self.weighed + 1
        kind = nw.Int32 if (len(AT_LEAST_POSSIBLE) + 1) * room * len(order) < 2**31 else nw.Int64  # points are Int32
        ranks: dict[str, Number] = {}
        for place, diagnosis in enumerate(order):
            rank: Number = -1
            for number, level in enumerate(reversed(AT_LEAST_POSSIBLE)):
                base = (number * room + room // 2) * len(order) + len(order) - 1 - place
                here = _sum([_widened(self.points[diagnosis], kind) * len(order), base])
                rank = _where(self.levels[diagnosis][level], here, rank, kind)
            if not isinstance(rank, int) or rank >= 0:
                ranks[diagnosis] = self.compiler.column(f"{diagnosis}/rank", rank)
        if not ranks:
            return self._choice("leading", (), "", ("", *order))
        self.compiler._new_stage()
        columns = [_column(rank) for rank in ranks.values()]
        best = nw.max_horizontal(*columns) if len(columns) > 1 else columns[0]  # Spark has none of one column
        highest = self.compiler.column("leading/rank", best)
        self.compiler._new_stage()
        of = [(highest < 0, ""), *((_column(rank) == highest, d) for d, rank in ranks.items())]
        return self._choice("leading", of, "", ("", *order))

    def waiting(self) -> dict[str, Mask]:
        """For whom each finding is unknown, while an open rule for a diagnosis that is undecided or not assessed waits for
        it."""
        found: dict[str, list[Mask]] = {}
        for diagnosis, levels in self.levels.items():
            unsettled = either([levels["undecided"], levels["not assessed"]])
            for rule in self.knowledge.rules_of[diagnosis]:
                if rule.is_for:
                    where = both([unsettled, self.open[rule.id]])
                    for name, mask in self._waits(rule.when).items():
                        found.setdefault(name, []).append(both([where, mask]))
        asked = {name: but_not(self.compiler.idle(name)) for name in found}
        return {name: both([either(masks), asked[name]]) for name, masks in sorted(found.items())}

    def _waits(self, condition: Condition) -> dict[str, Mask]:
        """For whom an undecided part of the condition waits for each finding, given that the whole is undecided: what
        `truth.missing` says."""
        if isinstance(condition, LEAVES):
            return self._leaf_waits(condition)
        children = (condition.child,) if isinstance(condition, Not) else condition.children
        found: dict[str, list[Mask]] = {}
        for child in children:
            undecided: Mask = True
            if not isinstance(child, LEAVES) and not isinstance(condition, Not):
                undecided = both(but_not(self.compiler.mask(child, wanted)) for wanted in (True, False))
            for name, mask in self._waits(child).items():
                found.setdefault(name, []).append(both([undecided, mask]))
        return {name: either(masks) for name, masks in found.items()}

    def _leaf_waits(self, leaf: Leaf) -> dict[str, Mask]:
        undecided = both(but_not(self.compiler.mask(leaf, wanted)) for wanted in (True, False))
        if leaf.name in self.knowledge.concepts:
            inner = [self._waits(self.knowledge.concepts[leaf.name].when)]
        elif leaf.name in self.knowledge.scores:
            inner = [
                {
                    name: both([mask, *(but_not(self.compiler.mask(item.when, w)) for w in (True, False))])
                    for name, mask in self._waits(item.when).items()
                }
                for item in self.knowledge.scores[leaf.name].counted
            ]
        else:
            return {leaf.name: undecided}
        found: dict[str, list[Mask]] = {}
        for each in inner:
            for name, mask in each.items():
                found.setdefault(name, []).append(mask)
        return {name: both([undecided, either(masks)]) for name, masks in found.items()}


def points_of(diagnosis: str) -> str:
    """The name of the column of a diagnosis's points."""
    return f"{diagnosis}_points"


def _at_most(number: Number, most: int) -> Mask:
    return number <= most
