"""All patients at once: an answer to each finding as variables, and what a condition over them means, as formulas for Z3.

Held equal to `truth.py` by tests. Only the ratio of two measured quantities is not written as a formula: where an answer of
the solver has a wrong ratio, `Patients.wrong_ratios` says what it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

import z3

from ..knowledge.model import (
    All,
    AnyOf,
    AtLeast,
    Compare,
    Condition,
    Is,
    IsOneOf,
    Knowledge,
    Not,
    OutOfRange,
    Scale,
    TimesUpperLimit,
)
from ..knowledge.quantities import plain
from ..knowledge.truth import names_in

Formula = z3.BoolRef
Number = z3.ArithRef
TRUE, FALSE = z3.BoolVal(True), z3.BoolVal(False)
_IS = "is "  # before a choice


@dataclass(frozen=True)
class Known:
    """When something is known yes, and when it is known no; never both."""

    yes: Formula
    no: Formula


@dataclass(frozen=True)
class Amount:
    """The answer to a quantity, in steps of its last decimal: the value, or the end of all that it may be."""

    known: Formula
    from_here: Formula  # `>` or `>=`: anything from the value on
    to_here: Formula  # `<` or `<=`
    is_open: Formula  # the value itself is left out
    value: Number
    own_reference: Formula
    low: Number  # of the reference interval
    high: Number
    scale: Scale

    @property
    def exact(self) -> Formula:
        return z3.And(self.known, z3.Not(self.from_here), z3.Not(self.to_here))

    def compared(self, operator: str, limit: Number, times: int = 1) -> Known:
        """Whether `times` the amount compares so with a limit."""
        value = self.value if times == 1 else self.value * times
        if operator in (">=", "<"):
            yes = z3.And(self.known, z3.Not(self.to_here), value >= limit)
            no = z3.And(
                self.known,
                z3.Not(self.from_here),
                z3.Or(value < limit, z3.And(value == limit, self.to_here, self.is_open)),
            )
        else:
            yes = z3.And(
                self.known,
                z3.Not(self.to_here),
                z3.Or(value > limit, z3.And(value == limit, self.from_here, self.is_open)),
            )
            no = z3.And(self.known, z3.Not(self.from_here), value <= limit)
        return Known(yes, no) if operator in (">=", ">") else Known(no, yes)


class Patients:
    """Every patient that the vocabulary can describe. What is demanded holds for each of them, and for nobody else.

    Two vocabularies share their patients: an answer to the same finding is the same variable. `called` says under which name
    a finding is shared, where not under its own.
    """

    def __init__(self, knowledge: Knowledge, called: Mapping[str, str] = MappingProxyType({})) -> None:
        self.knowledge = knowledge
        self._called = called
        self._demands: list[Formula] = []
        self._demanded: dict[str, list[int]] = {}  # of each finding, which of them speak of it
        self._variables: dict[str, tuple[str, str]] = {}  # the finding, and what of the answer it is
        self._truths: dict[str, Known] = {}
        self._choices: dict[str, dict[str, Formula]] = {}
        self._amounts: dict[str, Amount] = {}
        # that no value is the end of a range, and no reference interval a laboratory's own
        self._usual: dict[str, list[Formula]] = {}
        self.ratios: list[tuple[str, tuple[str, str]]] = []  # each with its dividend and divisor
        for finding in knowledge.findings.values():
            if finding.scale is not None and finding.scale.derived is not None:
                self._follows(finding.name, finding.scale)
        for impossible in knowledge.impossible.values():
            self.demand(names_in(impossible.when), z3.Not(tree(impossible.when, self.leaf).yes))

    def demand(self, names: Iterable[str], *formulas: Formula) -> None:
        """Nobody else is a patient; the formulas speak of the answers to these findings."""
        numbers = range(len(self._demands), len(self._demands) + len(formulas))
        self._demands += formulas
        for name in dict.fromkeys(names):
            self._demanded.setdefault(name, []).extend(numbers)

    def demanded(self, names: Iterable[str]) -> dict[int, Formula]:
        """What is demanded of the answers to these findings, by number. Nothing else is needed of a patient of whom nothing
        else is known."""
        return {number: self._demands[number] for name in names for number in self._demanded.get(name, ())}

    def usual(self, names: Iterable[str]) -> list[Formula]:
        """That nothing is out of the ordinary in the answers to these findings."""
        return [formula for name in names for formula in self._usual.get(name, ())]

    def spoken_of(self, model: z3.ModelRef) -> frozenset[str]:
        """The findings of which a model says anything; what it leaves out may be anything, and so unknown."""
        told = (self._variables.get(variable) for variable, _ in _constants(model))
        return frozenset(variable[0] for variable in told if variable is not None)

    def truth(self, name: str) -> Known:
        """The answer to a yes-no finding."""
        if name not in self._truths:
            yes, no = self._flag(name, "yes"), self._flag(name, "no")
            self._truths[name] = Known(yes, no)
            self.demand([name], z3.Not(z3.And(yes, no)))
        return self._truths[name]

    def choice(self, name: str) -> Mapping[str, Formula]:
        """The answers to a choice; at most one of them holds."""
        if name not in self._choices:
            one_of = {c: self._flag(name, _IS + c) for c, _ in self.knowledge.findings[name].choices}
            self._choices[name] = one_of
            self.demand([name], z3.AtMost(*one_of.values(), 1))
        return self._choices[name]

    def amount(self, name: str) -> Amount:
        """The answer to a quantity."""
        if name not in self._amounts:
            scale = self.knowledge.findings[name].scale
            assert scale is not None
            self._amounts[name] = amount = Amount(
                known=self._flag(name, "known"),
                from_here=self._flag(name, "from here"),
                to_here=self._flag(name, "to here"),
                is_open=self._flag(name, "open"),
                value=self._number(name, "value"),
                own_reference=self._flag(name, "own reference"),
                low=self._number(name, "low"),
                high=self._number(name, "high"),
                scale=scale,
            )
            unusual = (amount.from_here, amount.to_here, amount.own_reference)
            self._usual.setdefault(name, []).extend(z3.Not(flag) for flag in unusual)
            low, high = (_steps(end, scale) for end in scale.plausible)
            if scale.reference is None:
                reference = z3.Not(amount.own_reference)
            else:
                usual = [amount.low == _steps(scale.reference[0], scale), amount.high == _steps(scale.reference[1], scale)]
                own = [amount.low >= low, amount.low < amount.high, amount.high <= high]
                reference = z3.If(amount.own_reference, z3.And(own), z3.And(usual))
            self.demand(
                [name],
                z3.Not(z3.And(amount.from_here, amount.to_here)),
                amount.value >= low,
                amount.value <= high,
                z3.Or(amount.known, z3.Not(amount.own_reference)),
                reference,
            )
        return self._amounts[name]

    def leaf(self, leaf: Condition) -> Known:
        """The value of a leaf that speaks of a finding, from the answers alone."""
        if isinstance(leaf, Is):
            return self.truth(leaf.name)
        if isinstance(leaf, IsOneOf):
            answers = self.choice(leaf.name)
            return Known(
                z3.Or([f for c, f in answers.items() if c in leaf.values]),
                z3.Or([f for c, f in answers.items() if c not in leaf.values]),
            )
        assert isinstance(leaf, (Compare, OutOfRange, TimesUpperLimit))
        amount = self.amount(leaf.name)
        if isinstance(leaf, Compare):
            return amount.compared(leaf.operator, z3.IntVal(_steps(leaf.limit, amount.scale)))
        if isinstance(leaf, OutOfRange):
            return amount.compared("<", amount.low) if leaf.side == "below" else amount.compared(">", amount.high)
        factor, times = leaf.factor.as_integer_ratio()
        return amount.compared(leaf.operator, amount.high * factor, times)

    def known(self, name: str) -> Formula:
        """When the finding is answered at all."""
        finding = self.knowledge.findings[name]
        if finding.scale is not None:
            return self.amount(name).known
        if finding.choices:
            return z3.Or(list(self.choice(name).values()))
        return z3.Or(self.truth(name).yes, self.truth(name).no)

    def answered(self) -> list[Formula]:
        """For each finding that was spoken of so far, when it is answered at all."""
        return [self.known(name) for name in (*self._truths, *self._choices, *self._amounts)]

    def given(self, model: z3.ModelRef) -> dict[str, str]:
        """What is known of the patient in a model, as a case file says it."""
        given: dict[str, str] = {}
        for variable, is_true in _constants(model):
            name, what = self._variables.get(variable, ("", ""))
            if not is_true:
                continue
            if what in ("yes", "no"):
                given[name] = what
            elif what == "known":
                given[name] = _written(model, self._amounts[name])
            elif what.startswith(_IS):
                given[name] = what.removeprefix(_IS)
        return {self._called.get(name, name): words for name, words in given.items()}

    def wrong_ratios(self, model: z3.ModelRef, names: Set[str]) -> Iterator[Formula]:
        """On which side of a few values the ratios that are wrong in a model must be, for all patients whose divisor has
        the same sign. One of the values halves what lies between the wrong ratio and the right one: few models are wrong.
        `names` are the findings of which the model says anything.
        """
        for name, (dividend, divisor) in self.ratios:
            if not names >= {name, dividend, divisor}:
                continue
            above, below, result = (self.amount(n) for n in (dividend, divisor, name))
            if not _holds(model, z3.And(above.exact, below.exact, below.value != 0)):
                continue
            sign = 1 if _value(model, below.value) > 0 else -1
            # dividend / divisor = above / below * 10 ** (decimals of the divisor - decimals of the dividend)
            shift = result.scale.decimals + below.scale.decimals - above.scale.decimals
            numerator = above.value * (sign * 10 ** max(shift, 0))
            denominator = below.value * (sign * 10 ** max(-shift, 0))
            stated, right = _value(model, result.value), _rounded(_value(model, numerator), _value(model, denominator))
            if stated == right:
                continue
            low, high = sorted((stated, right))
            for limit in {low + 1, (low + high + 1) // 2, high}:
                least = (2 * limit - 1) * denominator
                reached = 2 * numerator >= least if limit > 0 else 2 * numerator > least
                signed = z3.And(above.exact, below.exact, below.value * sign > 0)
                yield z3.Implies(signed, (result.value >= limit) == reached)

    def _follows(self, name: str, scale: Scale) -> None:
        """A derived quantity is known, and exactly so, where all that it is derived from is."""
        assert scale.derived is not None
        how, inputs = scale.derived, [self.amount(n) for n in scale.derived.inputs]
        result = self.amount(name)
        if how.how == "ratio":
            self.ratios.append((name, (how.inputs[0], how.inputs[1])))
            told = z3.Not(inputs[0].known)  # a ratio is told, not worked out: then it cannot be wrong
            self._usual.setdefault(how.inputs[0], []).append(told)
            exact = z3.And(*(a.exact for a in inputs), inputs[1].value != 0)
            self.demand([name, *how.inputs], z3.Implies(exact, result.exact))
            return
        decimals = max(a.scale.decimals for a in inputs)
        values = [a.value * 10 ** (decimals - a.scale.decimals) for a in inputs]
        over = 10**decimals  # what the values are multiples of
        if how.how == "linear":
            parts = [f.as_integer_ratio() for f in (*how.factors, how.constant)]
            common = 1
            for _, below in parts:
                common *= below
            factors = [above * common // below for above, below in parts]
            total = z3.Sum([v * f for v, f in zip(values, factors, strict=False)]) + factors[-1] * over
            over *= common
        elif how.how in ("difference", "absolute_difference"):
            total = values[0] - values[1]
            if how.how == "absolute_difference":
                total = z3.If(total >= 0, total, -total)
        else:
            total = values[0]
            for value in values[1:]:
                smaller = value < total if how.how == "smaller_of" else value > total
                total = z3.If(smaller, value, total)
        exact = z3.And([a.exact for a in inputs])
        rounded = _rounds_to(total * 10**scale.decimals, over, result.value)
        self.demand([name, *how.inputs], z3.Implies(exact, z3.And(result.exact, rounded)))

    def _flag(self, name: str, what: str) -> Formula:
        return z3.Bool(self._variable(name, what))

    def _number(self, name: str, what: str) -> Number:
        return z3.Int(self._variable(name, what))

    def _variable(self, name: str, what: str) -> str:
        variable = f"{self._called.get(name, name)} {what}"
        self._variables[variable] = (name, what)
        return variable


def tree(condition: Condition, leaf: Callable[[Condition], Known]) -> Known:
    """The value of a tree, given the values of its leaves; as `truth.combined`."""
    if isinstance(condition, Not):
        inner = tree(condition.child, leaf)
        return Known(inner.no, inner.yes)
    if isinstance(condition, (All, AnyOf, AtLeast)):
        children = [tree(child, leaf) for child in condition.children]
        yes, no = [c.yes for c in children], [c.no for c in children]
        if isinstance(condition, All):
            return Known(z3.And(yes), z3.Or(no))
        count = condition.count if isinstance(condition, AtLeast) else 1
        return Known(_at_least(count, yes), _at_least(len(children) - count + 1, no))
    return leaf(condition)


def _at_least(count: int, formulas: list[Formula]) -> Formula:
    if count == 1:
        return z3.Or(formulas)
    return z3.And(formulas) if count == len(formulas) else z3.PbGe([(f, 1) for f in formulas], count)


def _rounds_to(numerator: Number, denominator: int, value: Number) -> Formula:
    """The quotient, rounded half away from zero, is the value."""
    twice = 2 * numerator
    down, up = (2 * value - 1) * denominator, (2 * value + 1) * denominator
    if denominator < 0:
        return _rounds_to(-numerator, -denominator, value)
    return z3.If(numerator >= 0, z3.And(twice >= down, twice < up), z3.And(twice > down, twice <= up))


def _rounded(numerator: int, denominator: int) -> int:
    """The quotient, rounded half away from zero; of a positive denominator."""
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def _steps(value: Decimal, scale: Scale) -> int:
    return int(value.scaleb(scale.decimals).to_integral_value())


def _from_steps(steps: int, scale: Scale) -> Decimal:
    return Decimal(steps).scaleb(-scale.decimals)


def _constants(model: z3.ModelRef) -> Iterator[tuple[str, bool]]:
    """The names of the variables in the model, and whether they are true. Below z3's own classes: to read a model takes
    longer than to find it otherwise."""
    context, inner = model.ctx.ref(), model.model
    for number in range(z3.Z3_model_get_num_consts(context, inner)):
        variable = z3.Z3_model_get_const_decl(context, inner, number)
        value = z3.Z3_model_get_const_interp(context, inner, variable)
        name = z3.Z3_get_symbol_string(context, z3.Z3_get_decl_name(context, variable))
        yield name, z3.Z3_get_bool_value(context, value) == z3.Z3_L_TRUE


def _holds(model: z3.ModelRef, formula: Formula) -> bool:
    return bool(z3.is_true(model.eval(formula, model_completion=True)))  # as `_value`: what is free is the same everywhere


def _value(model: z3.ModelRef, number: Number) -> int:
    value = model.eval(number, model_completion=True)
    assert isinstance(value, z3.IntNumRef)
    return int(value.as_long())


def _written(model: z3.ModelRef, amount: Amount) -> str:
    scale = amount.scale

    def plainly(number: Number) -> str:
        return plain(_from_steps(_value(model, number), scale))

    is_open = _holds(model, amount.is_open)
    sign = ""
    if _holds(model, amount.from_here):
        sign = "> " if is_open else ">= "
    elif _holds(model, amount.to_here):
        sign = "< " if is_open else "<= "
    own = f" ({plainly(amount.low)} to {plainly(amount.high)})" if _holds(model, amount.own_reference) else ""
    return f"{sign}{plainly(amount.value)} {scale.unit}{own}"
