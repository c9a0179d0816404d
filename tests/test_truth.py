"""The meaning itself, against brute force: truth tables, scores over every completion, censored values over every value."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crampdx.engine.knowledge.model import All, AnyOf, AtLeast, Condition, Is, Item, Not, Score
from crampdx.engine.knowledge.quantities import Interval, read_measurement, rounded
from crampdx.engine.knowledge.truth import Truth, combined, score_interval

NAMES = ("a", "b", "c", "d")
LEAVES = tuple(Is(name) for name in NAMES)
CONDITIONS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda c: All(tuple(c))),
        st.lists(inner, min_size=1, max_size=3).map(lambda c: AnyOf(tuple(c))),
        st.lists(inner, min_size=2, max_size=3).map(lambda c: AtLeast(2, tuple(c))),
    ),
    max_leaves=6,
)
TRUTHS = st.sampled_from((True, False, None))
COMPARE = {">=": lambda v, x: v >= x, ">": lambda v, x: v > x, "<": lambda v, x: v < x, "<=": lambda v, x: v <= x}


def value(condition: Condition, truths: dict[str, Truth]) -> Truth:
    return combined(condition, lambda leaf: truths[leaf.name])  # type: ignore[union-attr]


def completions(truths: dict[str, Truth]) -> list[dict[str, Truth]]:
    unknown = [n for n, t in truths.items() if t is None]
    return [{**truths, **dict(zip(unknown, c, strict=True))} for c in itertools.product((True, False), repeat=len(unknown))]


@given(CONDITIONS, st.fixed_dictionaries(dict.fromkeys(NAMES, TRUTHS)))
def test_a_decided_condition_stays_decided(condition: Condition, truths: dict[str, Truth]) -> None:
    """Yes or no is said only when every completion says it; an unknown is never read as a no."""
    said = value(condition, truths)
    outcomes = {value(condition, full) for full in completions(truths)}
    assert None not in outcomes
    if said is not None:
        assert outcomes == {said}


@pytest.mark.parametrize("first", [True, False, None])
@pytest.mark.parametrize("second", [True, False, None])
def test_kleenes_tables(first: Truth, second: Truth) -> None:
    """`all` is the smaller, `any` the larger, of no < unknown < yes."""
    order = {False: 0, None: 1, True: 2}
    truths = {"a": first, "b": second}
    assert order[value(All(LEAVES[:2]), truths)] == min(order[first], order[second])
    assert order[value(AnyOf(LEAVES[:2]), truths)] == max(order[first], order[second])
    assert value(Not(LEAVES[0]), truths) is (None if first is None else not first)


@given(
    st.lists(st.tuples(st.integers(-2, 3), TRUTHS), max_size=4),
    st.lists(st.tuples(st.integers(-2, 3), TRUTHS), min_size=1, max_size=3),
)
def test_a_score_lies_between_its_completions(single: list[tuple[int, Truth]], group: list[tuple[int, Truth]]) -> None:
    """The interval's ends are the least and the greatest total that any completion gives: no wider, no narrower."""

    def items(points: list[tuple[int, Truth]]) -> tuple[Item, ...]:
        return tuple(Item(LEAVES[0], Decimal(p)) for p, _ in points)

    score = Score("s", "S", "d", ("expert",), items(single), (items(group),))
    values = [t for _, t in (*single, *group)]
    totals = []
    for full in itertools.product(*[(True, False) if t is None else (t,) for t in values]):
        total = sum(p for (p, _), holds in zip(single, full, strict=False) if holds)
        first = next((p for (p, _), holds in zip(group, full[len(single) :], strict=True) if holds), 0)
        totals.append(total + first)
    interval = score_interval(score, values)
    assert (interval.low, interval.high) == (min(totals), max(totals))


@given(st.sampled_from((">", ">=", "<", "<=", "")), st.integers(0, 6), st.sampled_from(sorted(COMPARE)), st.integers(0, 6))
def test_a_censored_value_decides_only_what_all_its_values_decide(
    censor: str, bound: int, operator: str, limit: int
) -> None:
    """Against every half step between -2 and 9 that the value may be."""
    at = Decimal(bound)
    interval = {
        "": Interval(at, at),
        ">": Interval(at, None, low_open=True),
        ">=": Interval(at, None),
        "<": Interval(None, at, high_open=True),
        "<=": Interval(None, at),
    }[censor]
    every = [Decimal(n) / 2 for n in range(-4, 19)]
    allowed = [v for v in every if COMPARE[censor](v, at)] if censor else [at]
    answers = {COMPARE[operator](v, Decimal(limit)) for v in allowed}
    assert interval.compared(operator, Decimal(limit)) == (answers.pop() if len(answers) == 1 else None)


def test_rounding_is_half_away_from_zero() -> None:
    """In both directions, and never to a negative zero."""
    assert [str(rounded(Decimal(x), 1)) for x in ("0.25", "-0.25", "0.35", "-0.04", "2")] == [
        "0.3",
        "-0.3",
        "0.4",
        "0.0",
        "2.0",
    ]


@pytest.mark.parametrize("text", ["nan mmol/L", "inf", "1e3 U/L", "1,000 U/L", "--3 cm", "", "cm", "3 4 cm"])
def test_what_is_no_measurement(text: str) -> None:
    """Exponents, separators, words and nothing are no numbers."""
    measured = read_measurement(text)
    assert measured is None or not measured.unit.isalpha()
