"""Quantities as whole numbers: twice the last decimal of the finding, so that an open end has a place between two values.

A value of 3.1 with one decimal is 62 *half-steps*. What lies above it, the value left out, begins at 63; what lies below it
ends at 61. A comparison with a limit is then one comparison of whole numbers, and says what `Interval.compared` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import narwhals as nw

from ..knowledge.cases import units_of
from ..knowledge.model import Finding, Scale
from ..knowledge.quantities import Interval

FAR = 2**50  # half-steps; beyond every value, and stands for an end without bound
ROOM = 2**52  # below this a division of whole numbers is exact, on engines that divide floats as well


class TooWide(Exception):
    """What a knowledge base reckons with does not fit into columns of 64 bits."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: too large, or with too many decimals, for the columns of a table")


def check_room(finding: Finding) -> None:
    """Raises `TooWide` unless every plausible value of a quantity has half-steps."""
    scale = finding.scale
    if scale is not None and any(abs(half_steps(end, scale.decimals)) >= FAR // 2 for end in scale.plausible):
        raise TooWide(f"the plausible values of '{finding.name}'")


def half_steps(value: Decimal, decimals: int) -> int:
    """A value of the canonical unit, rounded to the decimals already, in half-steps."""
    return int(value.scaleb(decimals)) * 2


def ends(interval: Interval, decimals: int) -> tuple[int, int]:
    """The lowest and highest half-step of an interval."""
    low = -FAR if interval.low is None else half_steps(interval.low, decimals) + interval.low_open
    high = FAR if interval.high is None else half_steps(interval.high, decimals) - interval.high_open
    return low, high


def limit_in_steps(limit: Decimal, decimals: int) -> Fraction:
    """A limit in steps, not half-steps: it may be finer than the finding."""
    return Fraction(limit) * Fraction(10**decimals)


def surely(low: nw.Expr, high: nw.Expr, operator: str, limit: Fraction) -> nw.Expr:
    """Where every value between the ends compares so with a limit, in steps."""
    exact = limit.denominator == 1
    if operator == ">=":
        return low >= 2 * ceil(limit)
    if operator == ">":
        return low >= (2 * int(limit) + 1 if exact else 2 * ceil(limit))
    if operator == "<":
        return high < (2 * int(limit) if exact else 2 * ceil(limit) - 1)
    if operator == "<=":
        return high <= 2 * floor(limit)
    raise ValueError(operator)


OPPOSITE: Mapping[str, str] = {">=": "<", ">": "<=", "<": ">=", "<=": ">"}


def surely_to(low: nw.Expr, high: nw.Expr, operator: str, end: nw.Expr, factor: Decimal) -> nw.Expr:
    """Where every value compares so with a multiple of a laboratory's own limit, which is a column in half-steps."""
    ratio = Fraction(factor)
    limit = end * ratio.numerator  # in half-steps, times the denominator
    whole = ratio.denominator
    low_open, high_open = low.abs() % 2, high.abs() % 2  # where they are odd; the limit never is
    if operator == ">=":
        return (low - low_open) * whole >= limit
    if operator == ">":
        return ((low - low_open) * whole + low_open) > limit
    if operator == "<":
        return ((high + high_open) * whole - high_open) < limit
    if operator == "<=":
        return (high + high_open) * whole <= limit
    raise ValueError(operator)


# Numbers of a table ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conversion:
    """From the numbers of a column, in a unit, to half-steps of the finding.

    Floats cannot tell a value that lies halfway between two steps from one that nearly does. `steps` takes both for
    halfway, and `in_doubt` says where, so that the number can be read as exact decimals instead.
    """

    factor: float  # steps = number * factor + offset, before rounding
    offset: float
    largest: float  # a number beyond this is not plausible, in the column's unit
    doubt: float  # steps; far more than the floats can be wrong by
    plausible: tuple[int, int]  # half-steps

    def steps(self, number: nw.Expr) -> nw.Expr:
        """The value in half-steps, of a column without missing values and none beyond `largest`."""
        exact = self._exact(number)
        size = ((exact.abs() + (0.5 + self.doubt)) // 1).cast(nw.Int64)  # whole before the cast: some engines refuse others
        return nw.when(exact < 0).then(-size).otherwise(size) * 2

    def in_doubt(self, number: nw.Expr) -> nw.Expr:
        """Where rounding may go either way."""
        size = self._exact(number).abs() + (0.5 + self.doubt)
        return size - size // 1 < 2 * self.doubt

    def is_plausible(self, steps: nw.Expr) -> nw.Expr:
        return (steps >= self.plausible[0]) & (steps <= self.plausible[1])

    def _exact(self, number: nw.Expr) -> nw.Expr:
        return number * self.factor + self.offset


def conversion(finding: Finding, unit: str) -> Conversion:
    """How numbers of the unit ('' for the canonical one) become half-steps of a quantity. Raises `TooWide`."""
    check_room(finding)
    scale = finding.scale
    assert scale is not None
    linear = units_of(scale)[unit or scale.unit]
    low, high = scale.plausible
    bounds = (half_steps(low, scale.decimals), half_steps(high, scale.decimals))
    largest = 2 * (max(abs(low), abs(high)) + abs(linear.offset)) / linear.factor + 1
    # What the products and sums may come to; floats are right to 2**-53 of that, a few times over.
    size = largest * linear.factor + abs(linear.offset)
    doubt = float(size) * 10.0**scale.decimals * 2.0**-46
    if doubt > 0.01:
        raise TooWide(f"the plausible values of '{finding.name}' in {unit or scale.unit}")
    shift = Decimal(10) ** scale.decimals
    return Conversion(float(linear.factor * shift), float(linear.offset * shift), float(largest), doubt, bounds)


def rounded_ratio(number: nw.Expr, divisor: int | nw.Expr) -> nw.Expr:
    """A whole number divided by a positive one, half away from zero."""
    size = (number.abs() * 2 + divisor) // (2 * divisor)
    return nw.when(number < 0).then(-size).otherwise(size)


def derived_steps(name: str, scale: Scale, values: list[nw.Expr], decimals: list[int], most: list[int]) -> nw.Expr:
    """The derived quantity in half-steps, for steps of its inputs that have so many decimals and are at most so large. For a
    ratio the second input is not zero. Raises `TooWide`."""
    how = scale.derived
    assert how is not None
    too_wide = TooWide(f"'{name}', which is derived")
    if how.how == "ratio":
        over, under = 10 ** (decimals[1] + scale.decimals), 10 ** decimals[0]
        if 2 * most[0] * over + most[1] * under >= ROOM:
            raise too_wide
        number = nw.when(values[1] < 0).then(-values[0]).otherwise(values[0])
        return rounded_ratio(number * over, values[1].abs() * under) * 2
    finest = max(decimals)
    scaled = [value * 10 ** (finest - d) for value, d in zip(values, decimals, strict=True)]
    if how.how in ("smaller_of", "larger_of"):
        pick = nw.min_horizontal if how.how == "smaller_of" else nw.max_horizontal
        number, parts = pick(*scaled), [Fraction(1)] * len(values)
        constant = Fraction(0)
    else:
        parts = [Fraction(1), Fraction(-1)] if how.how != "linear" else [Fraction(f) for f in how.factors]
        constant = Fraction(how.constant) if how.how == "linear" else Fraction(0)
    scale_by = Fraction(10) ** (scale.decimals - finest)
    parts = [part * scale_by for part in parts]
    constant *= 10**scale.decimals
    divisor = constant.denominator
    for part in parts:
        divisor *= part.denominator
    largest = sum(abs(part) * m * 10 ** (finest - d) for part, m, d in zip(parts, most, decimals, strict=True))
    if 2 * (largest + abs(constant)) * divisor + divisor >= ROOM:
        raise too_wide
    if how.how in ("smaller_of", "larger_of"):
        number = number * int(parts[0] * divisor)
    else:
        number = nw.lit(int(constant * divisor), nw.Int64)
        for part, value in zip(parts, scaled, strict=True):
            number = number + value * int(part * divisor)
        if how.how == "absolute_difference":
            number = number.abs()
    return rounded_ratio(number, divisor) * 2
