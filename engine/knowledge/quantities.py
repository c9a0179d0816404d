"""Numbers with units: exact decimals, conversion and rounding, and the interval that a value may lie in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

NUMBER = r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?"
_LONGEST = 200  # characters of a measurement
_HUGE = Context(prec=200)  # digits: more than any number, factor and sum of them can have
_MEASUREMENT = re.compile(
    rf"^(?P<censor>>=|<=|≥|≤|>|<)?\s*(?P<number>{NUMBER})(?![0-9.,]|[eE][+-]?[0-9])\s*(?P<unit>[^()]*?)\s*"
    rf"(?:\(\s*(?P<low>{NUMBER})\s+to\s+(?P<high>{NUMBER})\s*\))?$"
)
_RANGE = re.compile(rf"^(?P<low>{NUMBER})\s+to\s+(?P<high>{NUMBER})$")
_LINEAR = re.compile(rf"^(?:times\s+)?(?P<factor>{NUMBER})(?:\s+plus\s+(?P<offset>{NUMBER}))?$")


@dataclass(frozen=True)
class Interval:
    """The values that a quantity may have; an end that is None is unbounded, an open end is itself left out."""

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False
    high_open: bool = False

    @property
    def exact(self) -> Decimal | None:
        """The value, where there is only one."""
        return self.low if self.low is not None and self.low == self.high else None

    def compared(self, operator: str, limit: Decimal) -> bool | None:
        """Whether every value compares so (True), none does (False), or it depends (None)."""
        if operator == ">=":
            return self._at_least(limit)
        if operator == ">":
            return self._above(limit)
        if operator == "<":
            return _opposite(self._at_least(limit))
        if operator == "<=":
            return _opposite(self._above(limit))
        raise ValueError(operator)

    def _at_least(self, limit: Decimal) -> bool | None:
        if self.low is not None and self.low >= limit:
            return True
        if self.high is not None and (self.high < limit or (self.high == limit and self.high_open)):
            return False
        return None

    def _above(self, limit: Decimal) -> bool | None:
        if self.low is not None and (self.low > limit or (self.low == limit and self.low_open)):
            return True
        if self.high is not None and self.high <= limit:
            return False
        return None


def _opposite(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


@dataclass(frozen=True)
class Linear:
    """canonical = value * factor + offset"""

    factor: Decimal
    offset: Decimal = Decimal(0)

    def __call__(self, value: Decimal) -> Decimal:
        return value * self.factor + self.offset


@dataclass(frozen=True)
class Measurement:
    """A number as a user wrote it: nothing converted yet."""

    number: Decimal
    unit: str
    censor: str = ""
    reference: tuple[Decimal, Decimal] | None = None


def rounded(value: Decimal, decimals: int) -> Decimal:
    """`value` to so many decimals, half away from zero."""
    result = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _HUGE)
    return result if result else abs(result)  # never -0


def read_measurement(text: str) -> Measurement | None:
    """The parts of `> 20000 U/L (26 to 192)`; None when it is not of that form."""
    found = _MEASUREMENT.match(text.strip()) if len(text) <= _LONGEST else None
    if found is None:
        return None
    reference = (Decimal(found["low"]), Decimal(found["high"])) if found["low"] is not None else None
    censor = {"≥": ">=", "≤": "<="}.get(found["censor"] or "", found["censor"] or "")
    return Measurement(Decimal(found["number"]), " ".join(found["unit"].split()), censor, reference)


def read_range(text: str) -> tuple[Decimal, Decimal] | None:
    """The two ends of `135 to 145`; None when it is not of that form or runs backwards."""
    found = _RANGE.match(text.strip())
    if found is None:
        return None
    low, high = Decimal(found["low"]), Decimal(found["high"])
    return (low, high) if low <= high else None


def read_linear(text: str) -> Linear | None:
    """The map of `2.54` or `times 10.93 plus -23.5`; None when it is not of that form or its factor is not positive."""
    found = _LINEAR.match(text.strip())
    if found is None or Decimal(found["factor"]) <= 0:
        return None
    return Linear(Decimal(found["factor"]), Decimal(found["offset"] or 0))


def plain(value: Decimal) -> str:
    """`value` in digits, without an exponent and without needless zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_COUNTED = ("minutes", "hours", "days", "weeks", "months", "years", "points")
_UNSAID = ("ratio", "count")  # units of plain numbers


def amount(value: Decimal, unit: str) -> str:
    """A number with its unit as people say it: `3.1 mmol/L`, `1 week`; a ratio without."""
    if unit in _UNSAID:
        return plain(value)
    return f"{plain(value)} {unit[:-1] if value == 1 and unit in _COUNTED else unit}"


def in_words(value: Interval, unit: str) -> str:
    """`3.1 mmol/L`, `> 20000 U/L`, `3 to 5 points`."""
    if value.exact is not None:
        return f"{plain(value.exact)} {unit}"
    if value.high is None and value.low is not None:
        return f"{'>' if value.low_open else '>='} {plain(value.low)} {unit}"
    if value.low is None and value.high is not None:
        return f"{'<' if value.high_open else '<='} {plain(value.high)} {unit}"
    low = "?" if value.low is None else plain(value.low)
    high = "?" if value.high is None else plain(value.high)
    return f"{low} to {high} {unit}"
